"""The tests, one section of the contract a file. None of them imports pytest: all that a test is given is a
`BackendUnderTest`.

`Suite` is loaded when it is asked for: a process that has one task for a test starts in half of the time without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rdzv_conformance.suite.everything import Suite

__all__ = ["Suite"]


def __getattr__(name: str) -> Any:
    if name != "Suite":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rdzv_conformance.suite.everything import Suite

    return Suite
