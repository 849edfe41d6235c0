"""List the files over 300 lines and the functions over a complexity of 10, each of which needs a reason.

    python -m tests.house            (from the root of the tree)

It prints the table at the end of CONTRIBUTING.md as it should be, with the reasons that are there already. The status
is 1 if a file or function has no reason yet, or if a row is no longer needed. Tests are exempt from the limit of lines.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_LINES = 300
MOST_COMPLEX = 10
TEXT = ROOT / "CONTRIBUTING.md"
ROW = re.compile(r"^\| `([^`]+)` \| (\d+) \| (.*?) \|$", re.MULTILINE)
NO_REASON = "TODO"


def long_files() -> Iterator[tuple[str, int]]:
    """Yield the Python files with more than 300 lines, tests excepted, and their lines."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in sorted(listed.stdout.split()):
        if "tests" in Path(name).parts or not (ROOT / name).exists():
            continue
        lines = len((ROOT / name).read_text("utf-8").splitlines())
        if lines > MOST_LINES:
            yield name, lines


def complex_functions() -> Iterator[tuple[str, int]]:
    """Yield `file: function` and its complexity, counted by ruff; a `noqa` makes no difference."""
    command = ["check", "--isolated", "--select", "C901", "--ignore-noqa", "--output-format", "json", "."]
    limit = f"lint.mccabe.max-complexity = {MOST_COMPLEX}"
    ruff = Path(sys.executable).with_name("ruff")
    ran = subprocess.run(
        [str(ruff), *command, "--config", limit, "--target-version", "py310"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    for found in sorted(json.loads(ran.stdout), key=lambda each: str(each["filename"])):
        function, complexity = re.findall(r"`(.+?)` is too complex \((\d+)", found["message"])[0]
        yield f"{Path(found['filename']).relative_to(ROOT)}: {function}", int(complexity)


def rows() -> list[tuple[str, int, str]]:
    """Return all of them, each with its reason from CONTRIBUTING.md."""
    reasons = {name: reason for name, _, reason in ROW.findall(TEXT.read_text("utf-8"))}
    return [(name, size, reasons.get(name, NO_REASON)) for name, size in (*long_files(), *complex_functions())]


def left_over(present: list[tuple[str, int, str]]) -> list[str]:
    """Return what has a row in CONTRIBUTING.md although it is small enough now, or gone."""
    return sorted({name for name, _, _ in ROW.findall(TEXT.read_text("utf-8"))} - {name for name, _, _ in present})


def main() -> int:
    """Print the rows; return the exit status."""
    present = rows()
    print("| file, or function | lines, or complexity | reason |\n|---|---|---|")
    for name, size, reason in present:
        print(f"| `{name}` | {size} | {reason} |")
    for name in left_over(present):
        print(f"no longer needed in CONTRIBUTING.md: {name}", file=sys.stderr)
    return 1 if left_over(present) or any(reason == NO_REASON for _, _, reason in present) else 0


if __name__ == "__main__":
    sys.exit(main())
