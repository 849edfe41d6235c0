"""When the memberships are read: the first few, to find out a node's place, and all of them, by those who watch."""

from __future__ import annotations

import random

from rdzv_core._handler.view import WATCHERS, LocalView

_MORE = 8
"""If goodbyes hide who is ahead of a node, it looks at this many times as many members."""

_GAP_PER_MEMBER = 60e-6
_LONGEST_GAP = 0.25
"""While many come one after the other, who leads reads them all this much later than the last time, in seconds for
each that was there; a deputy in place k does it 1 + 4k times as rarely."""

_SHORTEST_WITHOUT_A_LOOK, _LOOKLESS_FOR_EACH, _LONGEST_WITHOUT_A_LOOK = 0.2, 1e-3, 1.0
"""A node that enters behind others looks for its place once or twice so much later, in seconds: all of them may have
said goodbye. So does every node when as many members have gone as watch, since it last looked: they may be those."""


class PlaceChecks:
    """When a node that does not watch looks for its place, and at how many members: `limit`.

    `every` is the time between two looks, from and to in ttls.
    """

    def __init__(self, ttl: float, every: tuple[float, float], rng: random.Random) -> None:
        self.at = 0.0
        self.limit = WATCHERS
        self._ttl, self._every, self._random = ttl, every, rng
        self._gone_at_look = 0

    def due(self, now: float) -> bool:
        """Whether it is time to look."""
        return now >= self.at

    def hurry(self) -> None:
        """Look at once."""
        self.at = 0.0

    def entered(self, ahead: int | None, now: float) -> None:
        """Find out the place of a new membership: later only where others are ahead, who may form the round alone."""
        self.at = 0.0 if ahead is None or ahead < WATCHERS else self._soon(ahead, now)

    def seated(self, now: float) -> None:
        """A round has just formed: so somebody leads, and who that is need not be found out for a while."""
        self.at = max(self.at, self._next(now))

    def looked(self, now: float) -> None:
        """A reading has come, of the first few or of all."""
        self.at, self.limit = self._next(now), WATCHERS

    def look_at_more(self, limit: int, now: float) -> None:
        """Look again at once: a reading of the first `limit` did not show this node's place."""
        self.at, self.limit = now, _MORE * limit

    def note_departures(self, gone: int, size: int, watching: bool, not_before: float, now: float) -> None:
        """Look where all who watch may have gone, but not for each that goes; `size` is the roster's."""
        self._gone_at_look = min(self._gone_at_look, gone)
        if gone - self._gone_at_look >= WATCHERS and not watching:
            self.at, self._gone_at_look = min(self.at, max(self._soon(size, now), not_before)), gone

    def _soon(self, nodes: int, now: float) -> float:
        """Return a moment that is spread for so many nodes."""
        gap = min(_LONGEST_WITHOUT_A_LOOK, _SHORTEST_WITHOUT_A_LOOK + nodes * _LOOKLESS_FOR_EACH)
        return now + gap * self._random.uniform(1, 2)

    def _next(self, now: float) -> float:
        return now + self._ttl * self._random.uniform(*self._every)


class FullReads:
    """When a node that watches reads all memberships: after each change, but while many come not after each one."""

    def __init__(self, known: LocalView) -> None:
        self.stale = False
        self._known = known
        self._arrivals_until = 0.0

    @property
    def wanted(self) -> bool:
        """Whether what is known is not enough to decide on."""
        return self.stale or self._known.fresh_view is None

    @property
    def at(self) -> float:
        """When the next one may be, where it is wanted."""
        return self._arrivals_until if self._known.view is not None else float("-inf")

    def due(self, now: float) -> bool:
        """Whether it is time to read."""
        return self.wanted and now >= self.at

    def came(self, members: int, place: int, now: float) -> None:
        """A reading of so many members has come, to the node in this place."""
        gap = min(_LONGEST_GAP, members * _GAP_PER_MEMBER)
        self._arrivals_until = now + gap * (1 + 4 * min(place, WATCHERS))
