"""The rules by which a roster may be written. Pure: what was read goes in, what follows comes out.

Each rule is a method of its own, so that a test can take one away and show that the simulator notices. Without them a
simulation of this protocol formed two working groups, hung, or never settled: see `spec/protocol.md`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rdzv_core._handler.head import Announcement, DepartureOutcome, Head, RoundId, Seat, decode_announcement
from rdzv_core.abc import MembersView

RankOrder = Callable[[Sequence[Seat], Sequence[Seat]], Sequence[Seat]]
"""Takes the candidates and the last roster, gives the candidates by rank."""


@dataclass(frozen=True)
class Present:
    """One live member: its id and what it announces (None: unreadable)."""

    member: str
    says: Announcement | None

    @property
    def gone(self) -> bool:
        """Whether it says that it left or is done."""
        return self.says is not None and bool(self.says.bye)

    def __str__(self) -> str:
        return f"{self.says.node} ({self.says.address})" if self.says else f"member {self.member[:8]}"


@dataclass(frozen=True)
class Situation:
    """What a head and a reading of the memberships made after it amount to.

    `superseded` are the members whose node id a later one has.
    """

    candidates: tuple[Seat, ...] = ()
    asking: int = 0
    blockers: tuple[str, ...] = ()
    departed: Mapping[str, DepartureOutcome] = field(default_factory=dict)
    maybe_alive: frozenset[str] = frozenset()
    working: int = 0
    not_asking: tuple[str, ...] = ()
    seated_asking: int = 0
    admissible: int = 0
    previous_epochs: frozenset[str] = frozenset()
    superseded: frozenset[str] = frozenset()


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
        """Who expired may still be stopping; who left or is done has stopped."""
        return departure == "lost"

    def is_forgotten(self, past: str, remembered: str) -> bool:
        """Who does not know who worked in a lost epoch cannot tell whose lease has just ended there."""
        return past != remembered

    def may_write(self, now: float, sent: float, ttl: float) -> bool:
        """Only a writer whose own lease is provably valid writes."""
        return now < sent + 0.9 * ttl

    def is_fenced(self, now: float, sent: float, ttl: float) -> bool:
        """A node works no longer than 0.9 ttl after its last successful refresh was sent."""
        return now >= sent + 0.9 * ttl

    def admissible(self, head: Head, occupied: int, waiting: int) -> int:
        """How many of those who wait would be admitted: spares wake nobody."""
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

    def assess(self, head: Head, view: MembersView, settled: bool) -> Situation:
        """Say who asks, who blocks, who is gone; `settled` as in `is_gone_for_good`."""
        seats = {seat.member: seat for seat in head.roster}
        present = [Present(member.id, decode_announcement(member.payload)) for member in view.members]
        departed, maybe_alive = self._departed(head, view, settled, seats, present)
        asking: list[tuple[bool, Seat]] = []
        blockers: list[str] = []
        not_asking: list[str] = []
        previous_epochs = {head.previous_epoch} if head.previous_epoch else set[str]()
        for one in present:
            seated = one.member in seats
            if one.gone or one.member in departed:
                continue
            if one.says is None or self.is_foreign(one.says, head, seated):
                blockers.append(f"{one} is in a round that this run's register does not know")
            elif self.is_asking(one.says, head, seated):
                asking.append((seated, Seat(one.member, one.says.node, one.says.address)))
                previous_epochs.update(filter(None, (one.says.previous_epoch,)))
            elif seated:
                blockers.append(f"{one} is still in round {head.round}")
                not_asking.append(one.member)
        working = len(blockers)
        blockers += [f"{seats[member].node} ({seats[member].address}) may still be alive" for member in maybe_alive]
        occupied = len(head.roster) - sum(1 for how in departed.values() if how != "done")
        waiting = sum(1 for seated, _ in asking if not seated)
        latest = {one.says.node: one.member for one in present if one.says is not None and not one.gone}
        superseded = frozenset(
            one.member for one in present if one.says is not None and latest.get(one.says.node) != one.member
        )
        eligible = sum(1 for seated, seat in asking if not seated and seat.member not in superseded)
        chosen = _choose(asking, head)
        return Situation(
            candidates=chosen,
            asking=len(asking),
            blockers=tuple(blockers),
            departed=departed,
            maybe_alive=maybe_alive,
            working=working,
            not_asking=tuple(not_asking),
            seated_asking=len(asking) - waiting,
            admissible=self.admissible(head, occupied, eligible),
            previous_epochs=frozenset(previous_epochs),
            superseded=superseded,
        )

    def _departed(
        self, head: Head, view: MembersView, settled: bool, seats: Mapping[str, Seat], present: list[Present]
    ) -> tuple[dict[str, DepartureOutcome], frozenset[str]]:
        departed = head.gone()
        here = set()
        for one in present:
            here.add(one.member)
            if one.member in seats and one.says is not None and one.says.bye:
                departed.setdefault(one.member, one.says.bye)
        absent = [member for member in seats if member not in here and member not in departed]
        if not self.is_gone_for_good(head, view, settled):
            return departed, frozenset(absent)
        departed.update(dict.fromkeys(absent, "lost"))
        return departed, frozenset()


def _choose(asking: list[tuple[bool, Seat]], head: Head) -> tuple[Seat, ...]:
    """Take those of the last roster first, then the others in entry order, one for each node id: the latest entered."""
    latest = {seat.node: seat for _, seat in asking}
    before = {seat.node for seat in head.roster}
    unique = [seat for _, seat in asking if latest[seat.node] is seat]
    ordered = sorted(unique, key=lambda seat: seat.node not in before)
    return tuple(ordered[: head.terms.max_nodes if head.terms else 0])


def natural_order(candidates: Sequence[Seat], last: Sequence[Seat]) -> Sequence[Seat]:
    """Give every node the rank it had where that is below the number of nodes, and the others what is left over.

    The others come in natural order of address and node id: `host2` before `host10`.
    """
    ranked: list[Seat | None] = [None] * len(candidates)
    had = {seat.node: rank for rank, seat in enumerate(last)}
    others = []
    for seat in candidates:
        rank = had.get(seat.node, len(ranked))
        if rank < len(ranked) and ranked[rank] is None:
            ranked[rank] = seat
        else:
            others.append(seat)
    rest = iter(sorted(others, key=_natural_key))
    return [seat if seat is not None else next(rest) for seat in ranked]


def _natural_key(seat: Seat) -> list[tuple[int, int, str]]:
    parts = re.split(r"([0-9]+)", f"{seat.address} {seat.node}")
    return [(0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part) for part in parts]
