"""Every code block of the documentation runs, word for word, and prints what stands below it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import BLOCKS, DOCS, PAGES, ROOT, Block, blocks_of, name_of

SECONDS = 280
END = "@@ the end of block"
RUNNING = [page for page in PAGES if any(block.runs for block in blocks_of(page))]
NOT_RUN = [block for block in BLOCKS if "not run" in block.marks]


@pytest.mark.pages
@pytest.mark.parametrize("page", RUNNING, ids=name_of)
def test_the_blocks_of_a_page_run_one_after_the_other(page: Path, tmp_path: Path) -> None:
    """What a reader pastes into an empty folder works, and what is shown as printed is printed."""
    printed = _run(_script(blocks_of(page), tmp_path), tmp_path)
    since = ""
    for block in blocks_of(page):
        if block.runs:
            since += printed.get(str(block), "")
        elif block.language == "output" and not {"not run", "tested"} & {*block.marks}:
            assert [] == _not_printed(block.text, since), f"{block}: printed was\n{since}"
            since = ""


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
    assert missing == _not_printed(shown, "rank 1 of 2\nrank 0 of 2\n")


def test_a_block_that_fails_fails_its_page(tmp_path: Path) -> None:
    """And a block that should fail and does not, too."""
    page = DOCS / "index.md"
    with pytest.raises(AssertionError, match="status 1 after"):
        _run(_script([Block(page, 1, "sh", "echo before\nfalse\n")], tmp_path), tmp_path)
    with pytest.raises(AssertionError, match="status 1 after"):
        _run(_script([Block(page, 1, "sh", "true\n", {"exit": "1"})], tmp_path), tmp_path)
    block = Block(page, 1, "sh", "x=5\n(exit 3)\n", {"exit": "3"})
    after = Block(page, 9, "python", "import sys\nprint('well')\n")
    assert ["well"] == _run(_script([block, after], tmp_path), tmp_path)[str(after)].split()


def _script(blocks: list[Block], folder: Path) -> str:
    """Return one shell script that does what a reader would: save the files, run the rest."""
    lines = ["set -e -o pipefail"]
    for number, block in enumerate(blocks):
        if "file" in block.marks:
            (folder / f"block-{number}").write_text(block.text, "utf-8")
            lines.append(f"mv block-{number} {block.marks['file'].partition(' = ')[0]}")
        elif block.runs:
            program = block.text
            if block.language == "python":
                (folder / f"block_{number}.py").write_text(block.text, "utf-8")
                program = f"python block_{number}.py"
            status = block.marks.get("exit", "0")
            if status != "0":
                program = f"set +e\n{program}\ngot=$?; set -e; test $got = {status}"
            lines += [program, f"echo; echo '{END} {block}'"]
    return "\n".join(lines)


def _run(script: str, folder: Path) -> dict[str, str]:
    """Run it; return what each block printed, to whichever stream."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RDZV_")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TMPDIR": str(folder),
        "PYTHONUNBUFFERED": "",
        "PIP_NO_INDEX": "1",  # what a page installs is installed here: pip finds it without an index
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    process = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            printed, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            _kill_group(process.pid)
            printed, _ = process.communicate()
        _kill_group(process.pid)
    parts = re.split(rf"\n{END} (.*)\n", printed)
    assert process.returncode == 0, f"status {process.returncode} after: {parts[-1]}"
    return dict(zip(parts[1::2], parts[::2], strict=False))


def _kill_group(group: int) -> None:
    """Kill what a page has left running."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _not_printed(shown: str, printed: str) -> list[str]:
    """Return the lines of `shown` that were not printed, in whatever order; `…` stands for anything."""
    left = [" ".join(line.split()) for line in printed.splitlines()]
    missing = []
    for line in sorted(shown.splitlines(), key=lambda each: each.count("…")):
        wanted = " ".join(line.split())
        if wanted == "…":
            continue
        pattern = re.compile(".*".join(map(re.escape, wanted.split("…"))))
        found = next((each for each in left if pattern.fullmatch(each)), None)
        if found is None:
            missing.append(line)
        else:
            left.remove(found)
    return missing
