"""Deadlines of many things with few timers. Runs on the server's loop alone."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Generic, TypeVar

FINEST = 1 / 128
"""Seconds: no two timers are closer than this."""

PARTS = 64
"""A deadline is late by at most this part of the time until it, or by `FINEST`."""

T = TypeVar("T")


class Deadlines(Generic[T]):
    """Calls `expire` for things whose time is over, never early and a little late, so that many share one timer.

    A timer of its own for each would wake an idle server for every one of its clients.
    """

    def __init__(self, expire: Callable[[T], None]) -> None:
        self._expire = expire
        self._due: dict[float, set[T]] = {}

    def add(self, thing: T, seconds: float) -> set[T]:
        """Have `thing` expire after `seconds`; it does not if it is discarded from the set that is returned."""
        loop = asyncio.get_running_loop()
        # A power of two, so that long waits and short ones expire together, and nothing is lost in rounding.
        grain = max(FINEST, math.ldexp(0.5, math.frexp(seconds / PARTS)[1]))
        due = math.ceil((loop.time() + seconds) / grain) * grain
        together = self._due.get(due)
        if together is None:
            together = self._due[due] = set()
            loop.call_at(due, self._ring, due)
        together.add(thing)
        return together

    def _ring(self, due: float) -> None:
        for thing in list(self._due.pop(due)):
            self._expire(thing)
