"""The pages of the documentation, and the code blocks in them.

A comment directly above a block says what is special about it:

    <!-- not run: REASON -->         it cannot run on one machine, or not here
    <!-- file: NAME = PATH -->       it is saved as NAME, and is the file PATH of this tree
    <!-- exit: N -->                 it ends with status N
    <!-- tested: PATH -->            the test PATH has it, or the page PATH runs the same
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if not {"_build", "certificates"} & set(page.parts))

_MARK = re.compile(r"<!-- (not run|file|exit|tested): (.*?) -->")
_FENCE = re.compile(r"(\s*)(`{3,})(.*)")


@dataclass(frozen=True)
class Block:
    """A code block: `line` is where it begins, `marks` what the comments above it say."""

    page: Path
    line: int
    language: str
    text: str
    marks: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def runs(self) -> bool:
        """Whether it is a program that this machine can run."""
        return self.language in ("sh", "python") and "not run" not in self.marks and "tested" not in self.marks


def blocks_of(page: Path) -> list[Block]:
    """Return the code blocks of a page in their order, without Sphinx's directives."""
    found, marks = [], {}
    lines = iter(enumerate(page.read_text("utf-8").splitlines(keepends=True), start=1))
    for number, line in lines:
        if fence := _FENCE.match(line):
            text = []
            for _, inner in lines:
                if inner.strip() == fence[2]:
                    break
                text.append(inner.removeprefix(fence[1]))
            language = fence[3].strip()
            if not language.startswith("{"):
                found.append(Block(page, number, language, "".join(text), marks))
        marks = {**marks, mark[1]: mark[2]} if (mark := _MARK.match(line)) else {}
    return found


def name_of(page: Path) -> str:
    """Return how a page is called in a test's name."""
    return page.relative_to(DOCS).as_posix()


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
