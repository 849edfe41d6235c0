"""How much of one kind a process does at once."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Hashable, Iterator

PATIENCE_SECONDS = 0.1
"""How long one waits for another: where requests hang, as at a member that stands still, no other hangs with them."""


class Turns:
    """Threads that take turns, `at_once` of them for each thing. Thread-safe.

    Safe to fork at any moment: the child has turns of its own.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._places: dict[tuple[int, Hashable], threading.Semaphore] = {}

    @contextlib.contextmanager
    def take(self, thing: Hashable, time_left: float = float("inf")) -> Iterator[None]:
        """Wait for a turn for a moment, and no longer than the time that is left; then go on in any case."""
        key = os.getpid(), thing
        places = self._places.get(key) or self._places.setdefault(key, threading.Semaphore(self._at_once))
        taken = places.acquire(timeout=max(0.0, min(PATIENCE_SECONDS, time_left)))
        try:
            yield
        finally:
            if taken:
                places.release()
