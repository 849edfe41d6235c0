"""For how long an observer has seen each member's record unchanged. No I/O; the caller says what time it is."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from rdzv_core.abc import Token


class _Sight(NamedTuple):
    token: Token | None
    since: float
    ttl: float


class Ages:
    """Tells a member that does not refresh from an observer that did not look.

    A record counts as unchanged from when the first read that showed it was *answered* to when the last one was
    *sent*: in between its member certainly wrote nothing. Its lease, which runs from when its last write was sent, is
    over once that time exceeds the ttl, whatever the two clocks show, as long as they run equally fast.

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
        if any(sight.ttl < 2 * gap for sight in self._sights.values()):
            self._sights = {member: sight for member, sight in self._sights.items() if sight.ttl >= 2 * gap}

    def unchanged(self, member: str, ttl: float, token: Token | None, sent: float, answered: float) -> float:
        """Give for how long the member's record is known to have had `token`, by a read sent and answered then."""
        sight = self._sights.get(member)
        if sight is None or sight.token != token:
            self._sights[member] = _Sight(token, answered, ttl)
            return 0.0
        return sent - sight.since

    def keep(self, members: Collection[str]) -> None:
        """Forget all but `members`."""
        self._sights = {member: sight for member, sight in self._sights.items() if member in members}

    def restart(self) -> None:
        """Give everybody a fresh ttl."""
        self._sights.clear()
