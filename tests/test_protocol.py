"""What spec/protocol.md names in the code is there, and what the code puts on record is in spec/protocol.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import rdzv_core
from rdzv_core._handler.head import Announcement, Head

ROOT = Path(__file__).resolve().parent.parent
SPEC = (ROOT / "spec/protocol.md").read_text("utf-8")
RULES = re.findall(r"^\| (R\d+) \|.*\| ([^|]*) \|$", SPEC, re.MULTILINE)
PLACES = sorted({(rule, name) for rule, where in RULES for name in re.findall(r"`([^`]+)`", where)})


def _defined(body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """Yield what the statements of a module or class define, by name."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node


def _names() -> Iterator[str]:
    """Yield `module`, `function`, `Class` and `Class.member` for all of rdzv_core."""
    package = Path(rdzv_core.__path__[0])
    for path in package.rglob("*.py"):
        yield ".".join(path.relative_to(package.parent).with_suffix("").parts)
        for name, node in _defined(ast.parse(path.read_text("utf-8")).body):
            yield name
            if isinstance(node, ast.ClassDef):
                yield from (f"{name}.{member}" for member, _ in _defined(node.body))


NAMES = frozenset(_names())


@pytest.mark.parametrize(("rule", "name"), PLACES)
def test_the_code_that_a_rule_names_exists(rule: str, name: str) -> None:
    """A rename leads to the rule, and the rule to the code."""
    member = name.rpartition(".")[2]
    alike = sorted(each for each in NAMES if each.rpartition(".")[2] == member)
    hint = f"it is now in {', '.join(alike)}" if alike else "nothing of that name is left"
    assert name in NAMES, f"spec/protocol.md, {rule}: rdzv_core has no {name}; {hint}. Change the rule's last column."


def test_the_rules_are_numbered_without_a_gap_and_each_once() -> None:
    """A number names one rule."""
    assert [f"R{number}" for number in range(1, len(RULES) + 1)] == [rule for rule, _ in RULES]


def test_every_rule_names_a_place() -> None:
    """Code, or a clause of the contract that a store has to keep."""
    assert [] == [rule for rule, where in RULES if "`" not in where and "RDZV-" not in where]


@pytest.mark.parametrize("record", [Head, Announcement])
def test_every_field_of_a_record_is_explained(record: type[msgspec.Struct]) -> None:
    """All that nodes store for each other is written down."""
    records = SPEC[SPEC.index("## Records") : SPEC.index("## Events and effects")]
    assert [] == [name for name in record.__struct_fields__ if f"`{name}`" not in records]
