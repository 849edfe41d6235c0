"""When waiting requests have waited long enough: few timers for many of them. Runs on the server's loop alone."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rdzv_tcp._server.hub import Waiter

FINEST = 1 / 128
"""Seconds: no two timers are closer than this."""

PARTS = 64
"""A wait ends late by at most this part of itself, or by `FINEST`."""


class Deadlines:
    """Ends waits, never early and a little late, so that those that are due at about the same time share a timer.

    A timer of its own for each would wake an idle server for every one of its clients.
    """

    def __init__(self) -> None:
        self._due: dict[float, set[Waiter]] = {}

    def set(self, waiting: Waiter, seconds: float) -> None:
        """Have `waiting` expire after `seconds`."""
        loop = asyncio.get_running_loop()
        # A power of two, so that long waits and short ones meet at the same times, and nothing is lost in rounding.
        grain = max(FINEST, math.ldexp(0.5, math.frexp(seconds / PARTS)[1]))
        due = math.ceil((loop.time() + seconds) / grain) * grain
        together = self._due.get(due)
        if together is None:
            together = self._due[due] = set()
            loop.call_at(due, self._ring, due)
        together.add(waiting)
        waiting.alarm = together

    def _ring(self, due: float) -> None:
        for waiting in list(self._due.pop(due)):
            waiting.peer.expire(waiting)
