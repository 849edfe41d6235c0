"""Virtual time: what happens next, in order, and the trace of what has happened."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

Event = list[Any]
"""Something that is going to happen: `[time, order, action, arguments]`. Keep it to be able to cancel it."""


class Timeline:
    """A queue of events. `time` is the true time in seconds, which no node can see; `steps` counts what has happened.

    `tracing` is 1 to have disturbed messages in the trace, 2 to have all messages.
    """

    def __init__(self, tracing: int = 0) -> None:
        self.time: float = 0.0
        self.steps: int = 0
        self.tracing = tracing
        self.trace: list[tuple[float, str]] = []
        self._queue: list[Event] = []
        self._order = 0

    def later(self, delay: float, action: Callable[..., None], *arguments: Any) -> Event:
        """Let `action` happen `delay` seconds from now."""
        self._order += 1
        event = [self.time + delay if delay > 0.0 else self.time, self._order, action, arguments]
        heappush(self._queue, event)
        return event

    def cancel(self, event: Event) -> None:
        """Let it not happen."""
        event[2] = None

    def run_until(self, time: float, most_steps: float = float("inf")) -> bool:
        """Let everything happen up to that time; return False if that takes more than `most_steps`."""
        queue, most = self._queue, self.steps + most_steps
        reached: list[bool] = []
        self.later(time - self.time, reached.append, True)
        while not reached:
            event = heappop(queue)
            action = event[2]
            if action is None:
                continue
            self.time = event[0]
            self.steps += 1
            action(*event[3])
            if self.steps > most:
                return False
        return True

    def note(self, text: str) -> None:
        """Add a line to the trace, which is printed when a life fails."""
        self.trace.append((self.time, text))

    def told(self) -> list[str]:
        """Return the trace as lines."""
        return [f"{time:9.3f}  {text}" for time, text in self.trace]
