"""Labels: which clauses a test is for. Running a labelled test is `harness.execution`'s business."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from rdzv_conformance.contract.clauses import catalogue

Test = TypeVar("Test", bound=Callable[..., Any])

_ATTRIBUTE = "rdzv_clauses"
_LAST = "rdzv_last"
_RESTS = "rdzv_rests"
_EARLY = "rdzv_early"


def clause(*ids: str) -> Callable[[Test], Test]:
    """Label a test method with the clauses `ids`, whose outcome is its own.

    Raises `ValueError` for an id that is not in the catalogue.
    """
    unknown = [number for number in ids if number not in catalogue()]
    if unknown or not ids:
        raise ValueError(f"no such clause: {', '.join(unknown) or 'none was named'}")

    def label(test: Test) -> Test:
        setattr(test, _ATTRIBUTE, ids)
        return test

    return label


def last(test: Test) -> Test:
    """Mark a test as one that is run after all others."""
    setattr(test, _LAST, True)
    return test


def is_last(test: object) -> bool:
    """Return whether a test is run after all others."""
    return hasattr(test, _LAST)


def early(test: Test) -> Test:
    """Mark a test as one that takes seconds, most of which it waits: it is begun before others."""
    setattr(test, _EARLY, True)
    return test


def is_early(test: object) -> bool:
    """Return whether a test is begun before others."""
    return hasattr(test, _EARLY)


def rests(test: Test) -> Test:
    """Mark a test as one that waits for many seconds, and does nothing meanwhile; it is begun before others."""
    setattr(test, _RESTS, True)
    return early(test)


def is_resting(test: object) -> bool:
    """Return whether a test waits for many seconds, and does nothing meanwhile."""
    return hasattr(test, _RESTS)


def clauses_of(test: object) -> tuple[str, ...]:
    """Return the clauses that a test function or method is labelled with, none if it is not one of the suite's."""
    return tuple(getattr(test, _ATTRIBUTE, ()))


def map_clauses(suite: type) -> dict[str, list[str]]:
    """Return the clause-to-test map: for every clause of the catalogue the names of its tests in the class `suite`."""
    found: dict[str, list[str]] = {number: [] for number in catalogue()}
    for name in names_of_tests(suite):
        for number in clauses_of(getattr(suite, name)):
            found[number].append(name)
    return found


def names_of_tests(suite: type) -> list[str]:
    """Return the names of the labelled tests of a class, in the order of the catalogue, but for what comes last."""
    order = {number: place for place, number in enumerate(catalogue())}
    names = [name for name in dir(suite) if name.startswith("test_") and clauses_of(getattr(suite, name))]

    def place(name: str) -> tuple[bool, int, str]:
        test = getattr(suite, name)
        return is_last(test), order[clauses_of(test)[0]], name

    return sorted(names, key=place)
