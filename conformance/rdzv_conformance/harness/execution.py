"""Executing a labelled test: under the watchdog, cleaned up afterwards, and checked for leaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rdzv_conformance.harness.leaks.hygiene import HYGIENE
from rdzv_conformance.harness.subject import Subject


def execute(test: Callable[..., Any], subject: Subject) -> None:
    """Run a test, bound to its instance; raises what it raises, or `LeftBehind`.

    A test after which something is left is run a second time, on a run of its own.
    """
    name = getattr(test, "__name__", repr(test))
    HYGIENE.count(name, subject, lambda each: each.run(lambda: test(each)))
