"""Stopping a call of a thread at one of its lines, so that what happens meanwhile happens in every gap there is."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

NOBODY = 2.0
"""Seconds after which a call that stopped goes on though nobody began what was to happen meanwhile."""


class Pausing:
    """One call that stops at line number `at`: those of Python code, of the calling thread alone."""

    def __init__(self, at: int, seconds: float) -> None:
        self.lines = 0
        """How many lines the call has executed so far."""
        self._at, self._seconds = at, seconds
        self._stopped, self._begun, self._ended = threading.Event(), threading.Event(), threading.Event()

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Make the call, which stops at its line until `meanwhile` has made its own."""
        before = sys.gettrace()

        def trace(_: FrameType, event: str, __: object) -> Any:
            if event == "line":
                self.lines += 1
                if self.lines == self._at:
                    self._stopped.set()
                    self._begun.wait(NOBODY)
                    self._ended.wait(self._seconds)
            return trace

        sys.settrace(trace)
        try:
            return function(*arguments)
        finally:
            sys.settrace(before)

    def meanwhile(self, function: Callable[..., object], *arguments: Any) -> None:
        """Make a call of this thread while the other one stands at its line, if it comes there in time.

        The other one goes on when this call has ended, or after `seconds`: it may hold a lock that this call needs.
        """
        self._stopped.wait(self._seconds)
        self._begun.set()
        try:
            function(*arguments)
        finally:
            self._ended.set()
