"""How much of one kind a process does at once."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator

PATIENCE_SECONDS = 0.3
"""How long one waits while no turn ends: where requests hang, as at a member that stands still, no other hangs so."""

LONG_SECONDS = 1.0
"""After how long a wait for a turn others may overtake."""


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
    """As many as may be taken at once, and who waits for one.

    Who came first is first. Once that one has waited for long, every second turn is for who came last: at a store that
    is that slow, who has waited longest has often been given up by its caller, and if all turns were for such, nothing
    would be answered in time any more.
    """

    def __init__(self, number: int) -> None:
        self._lock = threading.Lock()
        self._free = number
        self._waiting: deque[tuple[float, threading.Lock]] = deque()
        self._given_back = 0

    def take(self, deadline: float, cancelled: Callable[[], bool]) -> bool:
        turn = threading.Lock()
        turn.acquire()
        entry = (time.monotonic(), turn)
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            self._waiting.append(entry)
            given_back = self._given_back
        while not turn.acquire(timeout=max(0.0, min(PATIENCE_SECONDS, deadline - time.monotonic()))):
            with self._lock:
                if turn.locked() and (given_back == self._given_back or cancelled() or time.monotonic() >= deadline):
                    self._waiting.remove(entry)
                    return False
                given_back = self._given_back
        return True

    def give_back(self) -> None:
        with self._lock:
            self._given_back += 1
            if not self._waiting:
                self._free += 1
                return
            is_long = time.monotonic() - self._waiting[0][0] > LONG_SECONDS
            last = is_long and self._given_back % 2
            _, turn = self._waiting.pop() if last else self._waiting.popleft()
            turn.release()
