"""How a test of the suite says what it found: a clause broken, unsupported, or not to be tested here.

The words are in the exceptions, not in assert statements, so that a certificate can quote them, with pytest or without.
"""

from __future__ import annotations

import unittest
from collections.abc import Callable
from typing import NoReturn, TypeVar

E = TypeVar("E", bound=BaseException)


class ClauseFailed(AssertionError):  # noqa: N818 - a finding, not an error of the suite
    """The backend does not do what the clause says."""


class Blamed(ClauseFailed):
    """A finding of a test for several clauses, which knows that these are the ones that are broken."""

    def __init__(self, message: str, clauses: tuple[str, ...]) -> None:
        super().__init__(message)
        self.clauses = clauses


def concerned(error: BaseException | None, clauses: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of a test's clauses that its ending says something about: all, unless it knows better."""
    return error.clauses if isinstance(error, Blamed) else clauses


class Untested(unittest.SkipTest):
    """The suite was not given what it needs to test the clause here."""

    def __str__(self) -> str:
        return f"untested: {super().__str__()}"


class Unsupported(unittest.SkipTest):
    """The backend does not claim what the clause is about, or cannot be in the situation that it is about."""

    def __str__(self) -> str:
        return f"unsupported: {super().__str__()}"


def that(holds: object, otherwise: str) -> None:
    """Fail the clause with the message `otherwise` unless `holds`."""
    if not holds:
        raise ClauseFailed(otherwise)


def equal(what: str, found: object, expected: object) -> None:
    """Fail the clause unless `found` is equal to `expected`."""
    that(found == expected, f"{what} is {shown(found)}: it must be {shown(expected)}")


def raises(kind: type[E], what: str, call: Callable[..., object], *args: object) -> E:
    """Return the error of `kind` that `call(*args)` raises; fail the clause if it raises another one, or none."""
    try:
        result = call(*args)
    except kind as error:
        return error
    except (ClauseFailed, unittest.SkipTest):
        raise
    except BaseException as error:  # whatever a backend raises, a KeyboardInterrupt too, is its answer
        raise ClauseFailed(f"{what} raised {shown_error(error)}: it must raise {_article(kind.__name__)}") from error
    raise ClauseFailed(f"{what} gave {shown(result)}: it must raise {_article(kind.__name__)}")


def fail(message: str) -> NoReturn:
    """Fail the clause."""
    raise ClauseFailed(message)


def shown(value: object, limit: int = 120) -> str:
    """Return `repr(value)`, cut to `limit` characters: a state may have 256 KiB."""
    if isinstance(value, bytes) and len(value) > limit:
        return f"{value[: limit // 2]!r}… ({len(value)} bytes)"
    text = _told(repr, value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def shown_error(error: BaseException) -> str:
    """Return an error's type and message, cut short."""
    text = _told(str, error)
    return f"{type(error).__name__}: {text if len(text) <= 300 else text[:300] + '…'}"


def _told(tell: Callable[[object], str], value: object) -> str:
    """Return the text of a foreign object, or what went wrong in getting it."""
    try:
        return tell(value)
    except Exception as error:  # noqa: BLE001 - whatever its own methods raise
        return f"<{type(value).__name__}, of which {tell.__name__}() raised {type(error).__name__}>"


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
