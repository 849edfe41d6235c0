"""When a goodbye is over, so that a node which goes may let its membership end, and who writes it into the head."""

from __future__ import annotations

from rdzv_core._handler.rules import Rules
from rdzv_core._handler.states import Departing
from rdzv_core._handler.view import WATCHERS, LocalView


class DepartureRules:
    """Decides by what is `known`, and changes nothing. `delay` is how long a deputy waits, in seconds."""

    def __init__(self, known: LocalView, rules: Rules, delay: float) -> None:
        self._known, self._rules, self._delay = known, rules, delay

    def is_over(self, departing: Departing, own: str) -> bool:
        """Whether the head has the goodbye of member `own`, or nobody will miss it; the last one closes the run."""
        known, head = self._known, self._known.head
        if head is None or head.closed or known.unreadable:
            return True
        rank = known.rank(own)
        if rank is None:
            return not known.rank_is_open(own)
        if not head.gone_ranks() >> rank & 1:
            return False
        return departing.kind == "left" or self.is_last(departing) is False

    def is_kept(self, own: str) -> bool:
        """Whether nobody will count `own` as lost: the head says otherwise, or no more names it, or is closed."""
        head, rank = self._known.head, self._known.rank(own)
        if head is None or self._known.unreadable:
            return False
        return rank is None or head.closed or not int(head.departed.get("lost", "0"), 16) >> rank & 1

    def is_last(self, departing: Departing) -> bool | None:
        """Whether the run is over, by a look after this node said goodbye; None: not known.

        It is over when all of the roster are done, or when all of them have gone and nobody asks.

        A node that finds another ahead of it that has not said goodbye need not read the rest: that one will.
        """
        known, said_at = self._known, departing.said_at
        if said_at is None or known.place_started < said_at:
            return None
        if known.place > 0:
            return False
        head, view = known.whole_head, known.fresh_view
        if head is None or view is None or known.view_started < said_at:
            return None
        situation = self._rules.assess(head, view, settled=False)
        if self._rules.is_finished(head, situation.departed):
            return True
        return not situation.asking and all(seat.member in situation.departed for seat in head.roster)

    def turn_to_write(self, departing: Departing) -> float:
        """Return when this node writes its goodbye, and those of others, if nobody else has: all of those may be going.

        That is not before it knows its place, by a look after its goodbye; those who stay have had their time then.
        """
        said_at, place = departing.said_at, min(self._known.place, WATCHERS)
        if said_at is None or self._known.place_started < said_at:
            return float("inf")
        return said_at + place * self._delay + departing.spread
