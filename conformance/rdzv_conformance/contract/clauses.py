"""The clause catalogue: every numbered clause of the contract, its profile and its text.

It is read from the contract page, `spec/contract.md` in the repository; sdist and wheel ship it beside this module.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CORE_SECTIONS = ("STATE", "CAS", "RUN", "CONN", "LIFE", "PARAM", "PKG", "SUBMIT", "LIST")
PROFILES = ("core", "watch", "membership", "store", "durable", "secure")

_PROFILE_OF_SECTION = {
    **dict.fromkeys(CORE_SECTIONS, "core"),
    "WATCH": "watch",
    "MEMBER": "membership",
    "STORE": "store",
    "DURABLE": "durable",
    "SECURE": "secure",
}
_ROW = re.compile(r"^\| (RDZV-([A-Z]+)-[0-9]+) \| (.+) \|$", re.MULTILINE)
_SHIPPED = Path(__file__).with_name("contract.md")
_IN_THE_TREE = Path(__file__).parents[3] / "spec" / "contract.md"


@dataclass(frozen=True)
class Clause:
    """One numbered clause."""

    id: str
    profile: str
    text: str


def contract_page() -> Path:
    """Return the path of the contract page: the one that was shipped, or the repository's in an editable install."""
    return _SHIPPED if _SHIPPED.exists() else _IN_THE_TREE


def read_clauses(page: str) -> tuple[Clause, ...]:
    """Return the clauses of a contract page, in its order; raises `ValueError` if it numbers one twice."""
    found = tuple(Clause(row[1], _PROFILE_OF_SECTION[row[2]], row[3]) for row in _ROW.finditer(page))
    numbers = [clause.id for clause in found]
    twice = {number for number in numbers if numbers.count(number) > 1}
    if twice:
        raise ValueError(f"the contract page numbers {', '.join(sorted(twice))} twice")
    return found


@cache
def catalogue() -> dict[str, Clause]:
    """Return every clause by its id, in the page's order."""
    page = contract_page().read_text(encoding="utf-8")
    return {clause.id: clause for clause in read_clauses(page)}
