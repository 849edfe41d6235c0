"""Paste the blocks of a page into an empty folder, one after the other, as a reader does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import Block, blocks_of

SECONDS = 280
END = "@@ the end of block"
HERE = Path(sys.executable).parent


def paste(page: Path, folder: Path, programs: Path = HERE, **more: str) -> dict[str, str]:
    """Run a page in `folder`; return what `run` does. Raises `AssertionError` if a block fails, or prints less."""
    printed = run(script_of(blocks_of(page), folder), folder, programs, **more)
    since = ""
    for block in blocks_of(page):
        if block.runs:
            since += printed.get(str(block), "")
        elif block.language == "output" and not {"not run", "tested"} & {*block.marks}:
            assert [] == not_printed(block.text, since), f"{block}: printed was\n{since}"
            since = ""
    return printed


def script_of(blocks: list[Block], folder: Path) -> str:
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


def run(script: str, folder: Path, programs: Path = HERE, **more: str) -> dict[str, str]:
    """Run it in a folder, with `programs` first on PATH and `more` variables; return what each block printed.

    pip has no index: what a page installs is installed already, or in a directory that `more` names.
    """
    mine = ("RDZV_", "PIP_", "PYTHON", "VIRTUAL_ENV")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(mine)},
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "TMPDIR": str(folder),
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        **more,
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


def not_printed(shown: str, printed: str) -> list[str]:
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
