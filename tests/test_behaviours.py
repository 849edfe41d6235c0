"""Every behaviour of spec/behaviours.md has a test that is found by its number, and every number has its behaviour."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SPEC = (ROOT / "spec/behaviours.md").read_text("utf-8")
NUMBERS = re.findall(r"^\| ([A-E]\d+) \|", SPEC, re.MULTILINE)
SOURCES = [
    *ROOT.glob("tests/**/test_*.py"),
    *ROOT.glob("plugins/*/tests/test_*.py"),
    *ROOT.glob("conformance/tests/test_*.py"),
    *ROOT.glob("conformance/rdzv_conformance/**/*mixin.py"),  # A1 to A8, for other projects too
]
ROWS = {"A": 8, "B": 15, "C": 7, "D": 8, "E": 19}


def _tests() -> Iterator[tuple[Path, str, str]]:
    """Yield the file, the name and the docstring of every test."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield path, node.name, ast.get_docstring(node) or ""


TESTS = list(_tests())


def test_the_numbers_run_without_a_gap() -> None:
    """A number never changes its meaning, and none is dropped."""
    assert [f"{part}{row}" for part, rows in ROWS.items() for row in range(1, rows + 1)] == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_a_numbered_behaviour_has_a_test_that_carries_its_number(number: str) -> None:
    """`pytest -k A6` finds the tests of A6."""
    assert [name for _, name, _ in TESTS if re.search(rf"_{number}(_|$)", name)]


def test_no_test_carries_a_number_that_does_not_exist() -> None:
    """Neither in its name nor at the beginning of its docstring."""
    unknown = []
    for path, name, docstring in TESTS:
        head = re.match(r"(?:[A-E]\d+(?:, | and |: ))+", docstring)
        carried = set(re.findall(r"(?<=_)([A-E]\d+)(?=_|$)", name)) | set(
            re.findall(r"[A-E]\d+", head[0] if head else "")
        )
        unknown += [f"{path.relative_to(ROOT)}: {name} carries {number}" for number in carried - set(NUMBERS)]
    assert [] == unknown
