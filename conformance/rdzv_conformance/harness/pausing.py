"""Stopping a call of a thread at one of its lines, so that what happens meanwhile happens in every gap there is."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


class Pausing:
    """Calls that stop at a line which is said by number: those of Python code, of the calling thread alone."""

    def __init__(self) -> None:
        self.lines = 0
        """How many lines the call has executed so far."""
        self.stopped = threading.Event()
        """Set while it stands at its line."""
        self.go_on = threading.Event()
        """Lets it go on."""

    def run(self, at: int, seconds: float, call: Callable[..., T], *arguments: Any) -> T:
        """Make the call; at line number `at` it stands until `go_on`, at most `seconds`: it may hold a lock."""
        self.lines = 0
        self.stopped.clear()
        self.go_on.clear()
        before = sys.gettrace()

        def trace(_: FrameType, event: str, __: object) -> Any:
            if event == "line":
                self.lines += 1
                if self.lines == at:
                    self.stopped.set()
                    self.go_on.wait(seconds)
            return trace

        sys.settrace(trace)
        try:
            return call(*arguments)
        finally:
            sys.settrace(before)
