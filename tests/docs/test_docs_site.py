"""The site: built with warnings as errors, and complete in its folder."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES, name_of

pytest.importorskip("furo", reason="`make docs` installs what builds the site")

LOADED = re.compile(r'<(?:script|img|link|iframe|source)\b[^>]*?\b(?:src|href)="([^"]+)"')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*command, "-d", str(folder / "doctrees"), str(DOCS), str(folder / "html")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_every_page_is_built_and_loads_nothing_from_elsewhere(site: Path) -> None:
    """It is read without a network: no web font, no script of a CDN."""
    for page in PAGES:
        html = (site / name_of(page)).with_suffix(".html").read_text("utf-8")
        for target in LOADED.findall(html):
            assert not target.startswith(("http:", "https:", "//")), f"{name_of(page)} loads {target}"
            assert ((site / name_of(page)).parent / target.partition("?")[0]).exists(), target
    assert "http" not in "".join(re.findall(r"@import[^;]+|url\(http[^)]+", _styles(site)))


def test_a_diagram_is_part_of_its_page(site: Path) -> None:
    """So it has the colours of the page's theme."""
    html = (site / "index.html").read_text("utf-8")
    assert re.search(r'<svg role="img" aria-label="[^"]{20,}" class="diagram"', html)


def test_the_contract_and_the_protocol_are_included_with_their_links(site: Path) -> None:
    """They are pages of the site, written in one place."""
    contract, protocol = ((site / f"{name}.html").read_text("utf-8") for name in ("contract", "protocol"))
    assert "RDZV-CAS-14" in contract
    assert 'href="fault-model.html"' in protocol
    assert 'href="contract.html"' in protocol


def test_the_api_reference_has_signatures_and_docstrings(site: Path) -> None:
    """They come from the source."""
    html = (site / "reference/api/job.html").read_text("utf-8")
    assert 'id="rdzv_core.RendezvousHandler.wait_for_change"' in html
    assert "Level-triggered" in html


def _styles(site: Path) -> str:
    return "\n".join(path.read_text("utf-8") for path in site.glob("_static/**/*.css"))
