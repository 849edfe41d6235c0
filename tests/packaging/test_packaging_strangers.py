"""A stranger with pip, an index and an empty folder: the README and the first pages of the site, word for word.

The index is a directory with the wheels of this tree and everything they need. No other is asked, and nothing of this
tree is on a path.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT
from tests.docs.pasting import paste

TUTORIALS = ("install.md", "index.md", "first-meeting.md", "elastic-loop.md")
"""In the order in which they are read; the first one installs."""

pytestmark = [pytest.mark.cases, pytest.mark.timeout(900)]


@pytest.fixture(scope="session")
def index(wheelhouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the wheels of this tree and those that they need, for pip's --find-links."""
    directory = tmp_path_factory.mktemp("index")
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--prefer-binary"]
    ours = [f"{wheel}[cli]" if wheel.name.startswith("rdzv_core") else str(wheel) for wheel in wheelhouse.glob("*.whl")]
    done = subprocess.run([*pip, "-d", str(directory), *ours], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of the programs of an empty virtual environment."""
    home = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, timeout=120)
    listed = subprocess.run([home / "bin" / "pip", "list"], capture_output=True, text=True, check=True)
    assert "rdzv" not in listed.stdout
    return home / "bin"


def test_the_readme_works_word_for_word_from_wheels(index: Path, programs: Path, tmp_path: Path) -> None:
    """From the `pip install` on, and twice."""
    for _ in range(2):
        printed = paste(ROOT / "README.md", tmp_path, programs, PIP_FIND_LINKS=str(index))
        assert "error" not in "".join(printed.values()).lower()


def test_the_first_pages_work_word_for_word_from_wheels(index: Path, programs: Path, tmp_path: Path) -> None:
    """The environment that the first page makes is enough for those that follow."""
    for page in TUTORIALS:
        paste(DOCS / page, tmp_path, programs, PIP_FIND_LINKS=str(index))
