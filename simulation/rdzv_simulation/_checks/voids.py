"""When the fault model promises nothing."""

from __future__ import annotations

from rdzv_simulation._cluster.timeline import Timeline


class Voids:
    """Times in which I3, I4 and I8 are not checked, because a store lost more than the protocol can bear.

    `window` is how long it takes, in seconds, until nobody works any more who worked before a loss.
    """

    def __init__(self, timeline: Timeline, window: float) -> None:
        self._timeline, self._window = timeline, window
        self._until = -1.0
        self._register_lost_at = self._members_lost_at = -1e9

    @property
    def now(self) -> bool:
        """Whether nothing is promised now."""
        return self._timeline.time < self._until

    def lost(self, register: bool, members: bool) -> None:
        """Take note of a loss. A store that loses both, soon after each other, voids the promise."""
        now = self._timeline.time
        self._register_lost_at = now if register else self._register_lost_at
        self._members_lost_at = now if members else self._members_lost_at
        if abs(self._register_lost_at - self._members_lost_at) < self._window:
            self._until = now + 2 * self._window

    def begin(self) -> None:
        """Promise nothing for as long as somebody may still work who worked before a loss."""
        self._until = max(self._until, self._timeline.time + self._window)
