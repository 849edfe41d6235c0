"""A node's clocks: one that drifts and never jumps, and a time of day that does."""

from __future__ import annotations

import random

from rdzv_simulation._cluster.timeline import Timeline

_SLOWEST, FASTEST = 0.9755, 1.0245
"""Seconds that a node's clock counts in a true second: no two clocks differ by more than the promised 5 %."""


class Clock:
    """What a node takes for the time, in seconds; `rate` of them pass in a true second."""

    def __init__(self, timeline: Timeline, rng: random.Random) -> None:
        self._timeline = timeline
        self._day = rng.uniform(1e6, 2e6)
        self.rate: float = rng.uniform(_SLOWEST, FASTEST)
        self._offset = rng.uniform(0, 1e6) - timeline.time * self.rate

    @property
    def now(self) -> float:
        """The time by which the protocol goes."""
        return self._offset + self._timeline.time * self.rate

    @property
    def time_of_day(self) -> float:
        """What the protocol never reads, and a mutant does."""
        return self._timeline.time + self._day

    def drift(self, share: float) -> None:
        """Run at another rate from now on: `share` of the way from the slowest to the fastest."""
        now = self.now
        self.rate = _SLOWEST + share * (FASTEST - _SLOWEST)
        self._offset = now - self._timeline.time * self.rate

    def jump(self, seconds: float) -> None:
        """Set the time of day to another one."""
        self._day += seconds
