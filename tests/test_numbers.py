"""Every numbered behaviour that this project holds itself to has a test that is found by its number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [
    *ROOT.glob("tests/**/test_*.py"),
    *ROOT.glob("plugins/*/tests/test_*.py"),
    *ROOT.glob("conformance/tests/test_*.py"),
    ROOT / "conformance/rdzv_conformance/_mixin.py",
]
NAMES = [name for path in SOURCES for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))]
ROWS = {"A": 8, "B": 15, "C": 7, "D": 8, "E": 19}


@pytest.mark.parametrize("number", [f"{part}{row}" for part, rows in ROWS.items() for row in range(1, rows + 1)])
def test_a_numbered_behaviour_has_a_test_that_carries_its_number(number: str) -> None:
    """`pytest -k A6` finds the tests of A6."""
    assert [name for name in NAMES if re.search(rf"_{number}(_|$)", name)]
