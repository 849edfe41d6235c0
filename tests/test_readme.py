"""What the README shows is what the tree holds, it runs, and it can be read on a package index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import blocks_of
from tests.docs.pasting import paste

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = blocks_of(ROOT / "README.md")
LINKS = re.findall(r"\]\(([^)]+)\)", README)
REPOSITORY = re.findall(r'^Source = "([^"]+)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
RAW = "https://raw.githubusercontent.com/"


def test_the_readmes_first_program_is_the_file_that_is_tested() -> None:
    """The README's code is not a copy that ages."""
    (block,) = [block for block in BLOCKS if "file" in block.marks]
    assert block.marks["file"] == "meet.py = examples/meet.py"
    assert block.text == (ROOT / "examples/meet.py").read_text("utf-8")


def test_the_readme_works_as_often_as_it_is_pasted(tmp_path: Path) -> None:
    """A newcomer repeats it: nothing is left over that the second time would find, and nothing fails."""
    for _ in range(2):
        printed = paste(ROOT / "README.md", tmp_path)
        lines = [line for text in printed.values() for line in text.splitlines()]
        assert [f"rank {rank} of 2" for rank in range(2)] == sorted(line for line in lines if line.endswith(" of 2"))
        assert not [line for line in lines if "error" in line.lower()]


def test_every_link_of_the_readme_is_absolute() -> None:
    """On a package index there is no tree beside it."""
    assert [] == [link for link in LINKS if not link.startswith("https://")]


@pytest.mark.parametrize("link", sorted(set(LINKS)))
def test_every_file_of_this_repository_that_the_readme_links_to_is_there(link: str) -> None:
    """No dead links, and none to another repository than pyproject.toml names."""
    (repository,) = REPOSITORY
    raw = f"{repository.replace('https://github.com/', RAW)}/main/"
    assert link.startswith((f"{repository}/", raw)), link
    path = link.removeprefix(f"{repository}/blob/main/").removeprefix(raw).partition("#")[0]
    if path.startswith("http"):  # a page of the forge, as that of a workflow
        assert link.startswith(f"{repository}/actions/")
    else:
        assert (ROOT / path).exists(), path
