"""When a membership is over for the node that holds it: by its own clock, or because the others went on without it."""

from __future__ import annotations

from rdzv_core._handler.head import Head
from rdzv_core._handler.lease import Lease
from rdzv_core._handler.outage import Outage
from rdzv_core._handler.rules import Rules
from rdzv_core._handler.states import Departing, Joining, State, Working
from rdzv_core._handler.view import LocalView


class Fencing:
    """Decides by what is `known`, and changes nothing."""

    def __init__(self, known: LocalView, rules: Rules, outage: Outage) -> None:
        self._known, self._rules, self._outage = known, rules, outage

    def why_over(self, lease: Lease, state: State, now: float) -> str:
        """Return why the membership is over; empty while it stands."""
        if lease.fenced(self._rules, now):
            return self._expired(now - lease.sent)
        if type(state) is not Departing and self.passed_over(lease.member.id, state):
            return "the others count this node as lost"
        return ""

    def passed_over(self, own: str, state: State) -> bool:
        """Whether the others have gone on without this membership, or will: nothing that it says is heard any more."""
        head = self._known.head
        if head is None:
            return False
        joining = type(state) is Joining
        held = state.held if type(state) is Working else state.claim if type(state) is Joining else None
        if held is not None and held.epoch == head.epoch:
            gone = head.round == held.round and head.gone_ranks() >> held.rank & 1
            return bool(gone) or head.round > held.round
        return joining and "lost" in head.departed and self.counts_as_lost(own, head)

    def counts_as_lost(self, own: str, head: Head) -> bool:
        """Whether the head has this member among those of the last roster that were lost."""
        rank = self._known.rank(own)
        return rank is not None and bool(int(head.departed["lost"], 16) >> rank & 1)

    def _expired(self, age: float) -> str:
        unanswered = f"no keep-alive has succeeded for {age:.1f} s"
        why = self._outage.why
        return f"lost {self._outage.store()} ({why}), {unanswered}" if why else unanswered
