"""The pages link to files and headings that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rdzv_core._cli.group import command_line
from tests.docs.pages import PAGES, ROOT

LINKING = [ROOT / "CONTRIBUTING.md", *PAGES, *sorted(ROOT.glob("spec/*.md")), *sorted(ROOT.glob("*/*/README.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^(`{3,}).*?^\1", re.DOTALL | re.MULTILINE)


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as a forge makes them."""
    text = page.read_text("utf-8")
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", text), re.MULTILINE)
    if "```{rdzv-commands}" in text:
        headings += [f"rdzv {name}" for name in command_line().list_commands(None)]  # made while the site is built
    found: list[str] = []
    for heading in headings:
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found.append(slug if slug not in found else f"{slug}-{found.count(slug)}")
    return set(found)


@pytest.mark.parametrize("page", LINKING, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_and_heading_that_a_page_links_to_exists(page: Path) -> None:
    """A file that moves takes its links along, and so does a heading."""
    for target in LINK.findall(FENCED.sub("", page.read_text("utf-8"))):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        if anchor and there.suffix == ".md":
            assert anchor in _anchors(there), target
