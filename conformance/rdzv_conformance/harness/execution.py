"""Executing a labelled test: under the watchdog, cleaned up afterwards, and checked for leaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.leaks.detector import LEAK_DETECTOR


def execute(test: Callable[..., Any], under_test: BackendUnderTest) -> None:
    """Run a test, bound to its instance; raises what it raises, or `Leaked`.

    A test after which something is left is run a second time, on a run of its own.
    """
    name = getattr(test, "__name__", repr(test))
    LEAK_DETECTOR.count(name, under_test, lambda each: each.run(lambda: test(each)))
