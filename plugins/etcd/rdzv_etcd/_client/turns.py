"""How much of one kind a process does at once."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Hashable, Iterator

PATIENCE_SECONDS = 0.3
"""How long one waits while no turn ends: where requests hang, as at a member that stands still, no other hangs so."""


class Turns:
    """Threads that take turns, `at_once` of them for each thing. Thread-safe.

    Safe to fork at any moment: the child has turns of its own.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._places: dict[tuple[int, Hashable], _Places] = {}

    @contextlib.contextmanager
    def take(self, thing: Hashable, deadline: float, cancelled: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Wait for a turn; go on without one if none has ended for a moment, at the deadline, or when `cancelled`."""
        key = os.getpid(), thing
        places = self._places.get(key) or self._places.setdefault(key, _Places(self._at_once))
        taken = places.take(deadline, cancelled)
        try:
            yield
        finally:
            if taken:
                places.give_back()


class _Places:
    """As many as may be taken at once."""

    def __init__(self, number: int) -> None:
        self._free = threading.Semaphore(number)
        self._given_back = 0  # a hint: two threads may count one

    def take(self, deadline: float, cancelled: Callable[[], bool]) -> bool:
        given_back = -1
        while given_back != self._given_back and not cancelled():
            given_back = self._given_back
            if self._free.acquire(timeout=max(0.0, min(PATIENCE_SECONDS, deadline - time.monotonic()))):
                return True
        return False

    def give_back(self) -> None:
        self._given_back += 1
        self._free.release()
