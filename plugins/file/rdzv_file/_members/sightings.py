"""For how long an observer has seen each member without a refresh. No I/O; the caller says what time it is."""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

_STALL = 0.75
"""An observer that did not look for this share of a ttl gives the member a whole one: the store may have stood still,
and with it all who refresh."""


class _Sighting(NamedTuple):
    renewed: int | None
    since: float
    ttl: float


class Sightings:
    """Tells a member that does not refresh from an observer that did not look.

    A member's age counts from when the first look that showed its last refresh was answered: that refresh was sent
    before, and the lease runs from there. So a member whose age exceeds its ttl, and whose file then shows the same
    refresh still, is over: however old the status was that the first look was answered with.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _Sighting] = {}
        self._last: float | None = None

    def answered(self, now: float) -> None:
        """Note that a look was answered: the observer is awake, and the store is there."""
        gap = 0.0 if self._last is None else now - self._last
        self._last = now
        if any(_STALL * sighting.ttl < gap for sighting in self._seen.values()):
            self._seen = {member: one for member, one in self._seen.items() if _STALL * one.ttl >= gap}

    def age(self, member: str, ttl: float, renewed: int | None, now: float) -> float:
        """Return for how long the member's last refresh has been `renewed`, as a look that ended now has shown."""
        seen = self._seen.get(member)
        if seen is None or seen.renewed != renewed:
            seen = self._seen[member] = _Sighting(renewed, now, ttl)
        return now - seen.since

    def keep(self, members: Container[str]) -> None:
        """Forget all but `members`."""
        self._seen = {member: one for member, one in self._seen.items() if member in members}

    def restart(self) -> None:
        """Grant every member a whole ttl."""
        self._seen.clear()
