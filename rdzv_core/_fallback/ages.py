"""For how long an observer has seen each member's record unchanged. No I/O; the caller passes the time."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from rdzv_core._fallback.roll import Slot


class _Sight(NamedTuple):
    slot: Slot
    since: float


class Ages:
    """Tells a member that does not refresh from an observer that did not look.

    A record's age counts from when the first read that showed it was *answered*: its member wrote it before that, and
    its lease runs from even before, when that write was sent. So once the age exceeds the ttl, and a compare-and-set
    that is sent then finds the record still unchanged, the lease is over, whatever the two clocks show, as long as
    they run equally fast.

    Where the observer itself stood still, or reads took very long, for more than half of a member's ttl, that member
    is given a fresh ttl.
    """

    def __init__(self) -> None:
        self._sights: dict[str, _Sight] = {}
        self._last_answer: float | None = None

    def answered(self, now: float) -> None:
        """Note that a read was answered: the observer is awake, and the store is there."""
        gap = 0.0 if self._last_answer is None else now - self._last_answer
        self._last_answer = now
        if any(sight.slot.ttl < 2 * gap for sight in self._sights.values()):
            self._sights = {member: sight for member, sight in self._sights.items() if sight.slot.ttl >= 2 * gap}

    def age(self, member: str, slot: Slot, now: float) -> float:
        """Return for how long the member's slot has held what a read, answered just now, has shown."""
        sight = self._sights.get(member)
        if sight is None or sight.slot != slot:
            sight = self._sights[member] = _Sight(slot, now)
        return now - sight.since

    def keep(self, members: Collection[str]) -> None:
        """Forget all but `members`."""
        self._sights = {member: sight for member, sight in self._sights.items() if member in members}

    def restart(self) -> None:
        """Grant every member a fresh ttl."""
        self._sights.clear()
