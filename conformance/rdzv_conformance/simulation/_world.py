"""Virtual time: what happens next, in order, from one seed."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable


class World:
    """A queue of things to happen; `time` is what no node can see."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.time = 0.0
        self.trace: list[str] = []
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def later(self, delay: float, action: Callable[[], None]) -> None:
        """Let `action` happen `delay` seconds from now."""
        heapq.heappush(self._queue, (self.time + max(0.0, delay), next(self._order), action))

    def step(self) -> bool:
        """Let the next thing happen; False when nothing is left."""
        if not self._queue:
            return False
        self.time, _, action = heapq.heappop(self._queue)
        action()
        return True

    def note(self, text: str) -> None:
        """Add a line to the trace that a failure prints."""
        self.trace.append(f"{self.time:9.3f}  {text}")
