"""Every code block of the documentation runs, word for word, and prints what stands below it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.docs.pages import BLOCKS, DOCS, PAGES, ROOT, Block, blocks_of, name_of
from tests.docs.pasting import not_printed, paste, run, script_of

RUNNING = [page for page in PAGES if any(block.runs for block in blocks_of(page))]
NOT_RUN = [block for block in BLOCKS if "not run" in block.marks]


@pytest.mark.pages
@pytest.mark.parametrize("page", RUNNING, ids=name_of)
def test_the_blocks_of_a_page_run_one_after_the_other(page: Path, tmp_path: Path) -> None:
    """What a reader pastes into an empty folder works, and what is shown as printed is printed."""
    paste(page, tmp_path)


@pytest.mark.parametrize("block", [block for block in BLOCKS if "file" in block.marks], ids=str)
def test_a_file_that_a_page_shows_is_the_one_that_is_tested(block: Block) -> None:
    """A program on a page is no copy that ages."""
    assert (ROOT / block.marks["file"].partition(" = ")[2]).read_text("utf-8") == block.text


@pytest.mark.parametrize("block", NOT_RUN, ids=str)
def test_a_block_that_is_not_run_says_why(block: Block) -> None:
    """These are all of them; `pytest -rs` prints the reasons."""
    assert len(block.marks["not run"].split()) > 2
    pytest.skip(block.marks["not run"])


def test_every_block_is_run_read_or_marked() -> None:
    """No block is there that nobody looks at: it runs, is output, is read as its language, or says why not."""
    read = ("sh", "python", "output", "json", "toml")
    unseen = [
        str(block) for block in BLOCKS if block.language not in read and not {"not run", "tested"} & {*block.marks}
    ]
    assert [] == unseen


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language in ("json", "toml")], ids=str)
def test_a_block_of_json_or_toml_can_be_read(block: Block) -> None:
    """A typing error in it would be copied."""
    if block.language == "json":
        json.loads(block.text)
    elif sys.version_info >= (3, 11):
        import tomllib

        tomllib.loads(block.text)


@pytest.mark.parametrize("block", [b for b in BLOCKS if "tested" in b.marks], ids=str)
def test_a_test_that_a_block_names_exists(block: Block) -> None:
    """It says that another test has it."""
    assert (ROOT / block.marks["tested"]).exists()


@pytest.mark.parametrize(
    ("shown", "missing"),
    [
        ("rank 0 of 2\n", []),
        ("rank … of 2\nrank … of 2\n", []),
        ("rank 0 of 2\nrank 0 of 2\n", ["rank 0 of 2"]),
        ("…\nrank 1  of 2\n", []),
        ("rank 1\n", ["rank 1"]),
    ],
)
def test_output_is_compared_line_by_line_in_any_order(shown: str, missing: list[str]) -> None:
    """Each line that is shown needs a line of its own; how many spaces it has does not matter."""
    assert missing == not_printed(shown, "rank 1 of 2\nrank 0 of 2\n")


def test_a_block_that_fails_fails_its_page(tmp_path: Path) -> None:
    """And a block that should fail and does not, too."""
    page = DOCS / "index.md"
    with pytest.raises(AssertionError, match="status 1 after"):
        run(script_of([Block(page, 1, "sh", "echo before\nfalse\n")], tmp_path), tmp_path)
    with pytest.raises(AssertionError, match="status 1 after"):
        run(script_of([Block(page, 1, "sh", "true\n", {"exit": "1"})], tmp_path), tmp_path)
    block = Block(page, 1, "sh", "x=5\n(exit 3)\n", {"exit": "3"})
    after = Block(page, 9, "python", "import sys\nprint('well')\n")
    assert ["well"] == run(script_of([block, after], tmp_path), tmp_path)[str(after)].split()
