"""A check that a backend may offer: whether a store, as it is here, can do what the backend relies on.

`rdzv backends NAME --check ENDPOINT` runs it and shows what it found::

    def check(endpoints: Sequence[str]) -> Iterator[Finding]:
        yield Finding("locks exclude", passed=…, detail="process 7 waited for process 8")

    @offers_check(check)
    def create_backend(params: RendezvousParameters) -> RendezvousBackend: ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

__all__ = ["Check", "Finding", "check_of", "offers_check"]

F = TypeVar("F", bound=Callable[..., Any])


class Finding(NamedTuple):
    """What one test of a check found: its subject, whether the store passed, and what was seen."""

    subject: str
    passed: bool
    detail: str = ""


Check = Callable[[Sequence[str]], Iterable[Finding]]
"""Is given the endpoint, or several that are to be the same store as different nodes name it. It leaves no trace in the
store. A store that fails a test, or cannot be reached, is a `Finding`; it raises `ValueError` for a bad endpoint."""


def offers_check(check: Check) -> Callable[[F], F]:
    """Attach a check to a backend's factory, as its attribute `check`."""

    def attach(factory: F) -> F:
        factory.check = check  # type: ignore[attr-defined]
        return factory

    return attach


def check_of(factory: object) -> Check | None:
    """Return the check that a factory offers, None if it offers none."""
    check = getattr(factory, "check", None)
    return check if callable(check) else None
