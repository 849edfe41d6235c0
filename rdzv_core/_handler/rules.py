"""The rules by which a roster may be written. Pure: what was read goes in, what follows comes out.

Each rule is a method of its own, so that a test can take one away and show that the simulator notices. Without them a
simulation of this protocol formed two working groups, hung, or never settled: see `spec/protocol.md`.
"""

from __future__ import annotations

from collections.abc import Mapping

from rdzv_core._handler.head import Announcement, DepartureOutcome, Head, RoundId, decode_announcement
from rdzv_core._handler.situation import Present, Situation, Standing, blocker, candidates, superseded
from rdzv_core.abc import MembersView

_FOREIGN, _ASKING, _WORKING = Standing.FOREIGN, Standing.ASKING, Standing.WORKING  # before 3.12 a lookup takes its time


class Rules:
    """The protocol's rules. Stateless."""

    def is_asking(self, says: Announcement, head: Head, seated: bool) -> bool:
        """A member asks if the round that it names has not been: a member of the last roster must name a later one."""
        if says.ask is None or says.ask.epoch != head.epoch:
            return False
        return not seated or says.ask.round > head.round

    def is_foreign(self, says: Announcement, head: Head, seated: bool) -> bool:
        """A live member that is, or may yet be, in a round that this register does not know blocks every roster."""
        if says.ask is not None and says.ask.epoch != head.epoch:
            return True
        return says.at is not None and (not seated or says.at != RoundId(head.epoch, head.round))

    def is_gone_for_good(self, head: Head, view: MembersView, settled: bool) -> bool:
        """Absence is death where the roster was made in this incarnation, or this one has been seen for a ttl."""
        return settled or view.incarnation == head.incarnation

    def needs_fence(self, departure: DepartureOutcome) -> bool:
        """A member that expired may still be stopping; one that left or is done has stopped."""
        return departure == "lost"

    def is_forgotten(self, past: str, remembered: str) -> bool:
        """A node that does not know who worked in a lost epoch cannot tell whose lease has just ended there."""
        return past != remembered

    def may_write(self, now: float, sent: float, ttl: float) -> bool:
        """Only a writer whose own lease is provably valid writes."""
        return now < sent + 0.9 * ttl

    def is_fenced(self, now: float, sent: float, ttl: float) -> bool:
        """A node works no longer than 0.9 ttl after its last successful refresh was sent."""
        return now >= sent + 0.9 * ttl

    def admissible(self, head: Head, occupied: int, waiting: int) -> int:
        """Return how many of those who wait would be admitted: spares wake nobody."""
        return max(0, min(waiting, head.terms.max_nodes - occupied)) if head.terms else 0

    def is_due(self, head: Head, situation: Situation) -> bool:
        """Return whether a next round should form: nobody works in the last one, or those who do are told to stop."""
        return bool(head.pending) or not situation.not_asking

    def is_full(self, head: Head) -> bool:
        """Return whether the last round has no place that was given up: a node that waits stands by."""
        if head.terms is None or not head.round or head.closed:
            return False
        return head.size - head.gone_ranks(but="done").bit_count() >= head.terms.max_nodes

    def is_finished(self, head: Head, departed: Mapping[str, DepartureOutcome]) -> bool:
        """Return whether all of the last roster are done: then the run is over, and no roster follows."""
        return bool(head.roster) and all(departed.get(seat.member) == "done" for seat in head.roster)

    def may_follow(self, situation: Situation) -> bool:
        """A next round forms only when every live member of the last one asks, has left, or is gone for good."""
        return not situation.blockers

    def classify(self, one: Present, head: Head, departed: Mapping[str, DepartureOutcome]) -> Standing:
        """Return how a live member stands, given who has `departed`."""
        says = one.says
        if one.member in departed or (says is not None and says.bye):
            return Standing.GONE
        if says is None or self.is_foreign(says, head, one.seated):
            return _FOREIGN
        if self.is_asking(says, head, one.seated):
            return _ASKING
        return _WORKING if one.seated else Standing.IDLE

    def assess(self, head: Head, view: MembersView, settled: bool) -> Situation:
        """Return who asks, who blocks, and who is gone; `settled` as in `is_gone_for_good`."""
        seats = {seat.member: seat for seat in head.roster}
        present = [Present(one.id, decode_announcement(one.payload), one.id in seats) for one in view.members]
        departed, maybe_alive = self._departed(head, view, settled, present)
        standings = [(one, self.classify(one, head, departed)) for one in present]
        asking = [one for one, standing in standings if standing is _ASKING]
        not_asking = [one.member for one, standing in standings if standing is _WORKING]
        blockers = [blocker(one, how, head) for one, how in standings if how is _FOREIGN or how is _WORKING]
        silent = [f"{seats[one].node} ({seats[one].address}) may still be alive" for one in maybe_alive]
        old = superseded(present)
        occupied = len(head.roster) - sum(1 for how in departed.values() if how != "done")
        waiting = [one for one in asking if not one.seated]
        named = {one.says.previous_epoch for one in asking if one.says is not None} | {head.previous_epoch}
        return Situation(
            candidates=candidates(asking, head),
            asking=len(asking),
            blockers=(*blockers, *silent),
            departed=departed,
            maybe_alive=maybe_alive,
            working=len(blockers),
            not_asking=tuple(not_asking),
            seated_asking=len(asking) - len(waiting),
            admissible=self.admissible(head, occupied, sum(1 for one in waiting if one.member not in old)),
            previous_epochs=frozenset(named - {""}),
            superseded=old,
        )

    def _departed(
        self, head: Head, view: MembersView, settled: bool, present: list[Present]
    ) -> tuple[dict[str, DepartureOutcome], frozenset[str]]:
        """Return who of the last roster has departed, and how; and who is absent and may still be alive."""
        departed = head.gone()
        for one in present:
            if one.seated and one.says is not None and one.says.bye:
                departed.setdefault(one.member, one.says.bye)
        here = {one.member for one in present}
        absent = [seat.member for seat in head.roster if seat.member not in here and seat.member not in departed]
        if not self.is_gone_for_good(head, view, settled):
            return departed, frozenset(absent)
        departed.update(dict.fromkeys(absent, "lost"))
        return departed, frozenset()
