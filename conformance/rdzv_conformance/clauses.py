"""The clause catalogue: every numbered clause of the contract, its profile and its text.

It is read from `contract.md`, the copy of `spec/contract.md` that this distribution ships.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from rdzv_conformance.hygiene import HYGIENE

if TYPE_CHECKING:
    from rdzv_conformance.subject import Subject

    Test = Callable[[Any, Subject], None]

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


@dataclass(frozen=True)
class Clause:
    """One numbered clause."""

    id: str
    profile: str
    text: str


def read_clauses(page: str) -> tuple[Clause, ...]:
    """Give the clauses of a contract page, in its order; `ValueError` if it numbers one twice."""
    found = tuple(Clause(row[1], _PROFILE_OF_SECTION[row[2]], row[3]) for row in _ROW.finditer(page))
    numbers = [clause.id for clause in found]
    twice = {number for number in numbers if numbers.count(number) > 1}
    if twice:
        raise ValueError(f"the contract page numbers {', '.join(sorted(twice))} twice")
    return found


@cache
def catalogue() -> dict[str, Clause]:
    """Give every clause by its id, in the page's order."""
    page = (files("rdzv_conformance") / "contract.md").read_text(encoding="utf-8")
    return {clause.id: clause for clause in read_clauses(page)}


def clause(*ids: str) -> Callable[[Test], Test]:
    """Mark a test method as one for the clauses `ids`, whose outcome is theirs; the watchdog and `HYGIENE` are with it.

    `ValueError` for an id that is not in the catalogue.
    """
    unknown = [number for number in ids if number not in catalogue()]
    if unknown or not ids:
        raise ValueError(f"no such clause: {', '.join(unknown) or 'none was named'}")

    def attach(test: Test) -> Test:
        @wraps(test)
        def guarded(self: Any, subject: Subject) -> None:
            HYGIENE.count(test.__name__, subject, lambda each: each.run(lambda: test(self, each)))

        guarded.rdzv_clauses = ids  # type: ignore[attr-defined]
        return guarded

    return attach


def clauses_of(test: object) -> tuple[str, ...]:
    """Give the clauses that a test function or method is for, none if it is not one of the suite's."""
    return tuple(getattr(test, "rdzv_clauses", ()))


def map_clauses(suite: type) -> dict[str, list[str]]:
    """Give the clause-to-test map: for every clause of the catalogue the names of its tests in the class `suite`."""
    found: dict[str, list[str]] = {number: [] for number in catalogue()}
    for name in names_of_tests(suite):
        for number in clauses_of(getattr(suite, name)):
            found[number].append(name)
    return found


def names_of_tests(suite: type) -> list[str]:
    """Give the names of the clause tests of a class, in the order of the catalogue."""
    order = {number: place for place, number in enumerate(catalogue())}
    names = [name for name in dir(suite) if name.startswith("test_") and clauses_of(getattr(suite, name))]
    return sorted(names, key=lambda name: (order[clauses_of(getattr(suite, name))[0]], name))
