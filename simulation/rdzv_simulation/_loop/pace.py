"""How a life goes on: as far as it is told, and not without end."""

from __future__ import annotations

from rdzv_simulation._cluster.timeline import Timeline
from rdzv_simulation._invariants import Violation

_STEPS_IN_A_PHASE = 200_000


class Pace:
    """Lets time pass; raises `Violation` (I13) if too much happens meanwhile."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline

    def wait(self, seconds: float) -> None:
        """Let everything happen in so many seconds."""
        self.until(self._timeline.time + seconds)

    def until(self, time: float) -> None:
        """Let everything happen up to that time."""
        if not self._timeline.run_until(time, _STEPS_IN_A_PHASE):
            raise Violation("I13", f"{_STEPS_IN_A_PHASE} steps in a phase: nodes and store talk without end")
