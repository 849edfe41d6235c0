"""Virtual time: what happens next, in order, from one seed."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

Event = list[Any]
"""A thing that is to happen: `[time, order, action, arguments]`. Kept by who may want to cancel it."""


class World:
    """A queue of things to happen; `time` is what no node can see.

    `tracing` is 1 to have disturbed messages in the trace, 2 to have them all.
    """

    def __init__(self, tracing: int = 0) -> None:
        self.time = 0.0
        self.steps = 0
        self.tracing = tracing
        self.trace: list[tuple[float, str]] = []
        self._queue: list[Event] = []
        self._order = 0

    def later(self, delay: float, action: Callable[..., None], *arguments: Any) -> Event:
        """Let `action` happen `delay` seconds from now."""
        self._order += 1
        event = [self.time + delay if delay > 0.0 else self.time, self._order, action, arguments]
        heapq.heappush(self._queue, event)
        return event

    def cancel(self, event: Event) -> None:
        """Let it not happen."""
        event[2] = None

    def step(self) -> bool:
        """Let the next thing happen; False when nothing is left."""
        queue = self._queue
        while queue:
            time, _, action, arguments = heapq.heappop(queue)
            if action is None:
                continue
            self.time = time
            self.steps += 1
            action(*arguments)
            return True
        return False

    def note(self, text: str) -> None:
        """Add a line to the trace that a failure prints."""
        self.trace.append((self.time, text))

    def told(self) -> list[str]:
        """Give the trace as lines."""
        return [f"{time:9.3f}  {text}" for time, text in self.trace]
