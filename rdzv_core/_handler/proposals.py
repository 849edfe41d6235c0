"""What the leader, or a deputy in its place, writes into the head. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from rdzv_core._handler.head import (
    INLINE_ROSTER_BYTES,
    DepartureOutcome,
    Head,
    Pending,
    Seat,
    decode_announcement,
    encode_head,
)
from rdzv_core._handler.rank_order import RankOrder
from rdzv_core._handler.roster import PackedRoster, pack_roster
from rdzv_core._handler.rules import Rules
from rdzv_core._handler.situation import Situation
from rdzv_core._handler.view import LocalView
from rdzv_core._handler.worker_ranks import WorkerCounts, pack_counts
from rdzv_core.abc import MembersView

Purpose: TypeAlias = Literal["terms", "last call", "call off", "pending", "roster", "close"]
"""What a head is written for."""


@dataclass(frozen=True)
class Write:
    """A head to be written, after the `roster`'s value where that is too large for the head."""

    purpose: Purpose
    head: Head
    roster: PackedRoster | None = None


@dataclass(frozen=True)
class FormRoster:
    """The next roster may be written: `Proposer.roster` makes it, when it is this node's turn."""

    purpose: ClassVar[Purpose] = "roster"


@dataclass(frozen=True)
class WaitUntil:
    """Nothing is to be written before a time on this node's clock."""

    time: float


Proposal: TypeAlias = Write | FormRoster | WaitUntil


@dataclass(frozen=True)
class Proposer:
    """Decides what a run's head should become, by the rules and by what is known."""

    rules: Rules
    order: RankOrder
    evict_after: float | None = None
    inline_bytes: int = INLINE_ROSTER_BYTES

    def propose(self, known: LocalView, head: Head, situation: Situation, now: float) -> Proposal | None:
        """Return what to write now, or what to wait for; None where nothing is to be done."""
        if head.closed or head.terms is None:
            return None
        if self.rules.is_finished(head, situation.departed):
            return self.close(head, situation)
        forming = self._form(known, head, situation, now)
        if isinstance(forming, Write | FormRoster):
            return forming
        return self.announce(known, head, situation, now) or forming

    def roster(self, known: LocalView, head: Head, situation: Situation, writer: str) -> Write:
        """Make the next round's roster; `writer` is a nonce, by which its writer knows it again."""
        assert known.view is not None
        seats = tuple(self.order(situation.candidates, head.roster))
        following = head.changed(
            round=head.round + 1,
            fence=head.fence + 1,
            last_call_round=0,
            last_call_number=0,
            pending="",
            departed={},
            incarnation=known.view.incarnation,
            writer=writer,
            size=len(seats),
            roster=seats,
            digest="",
            pages=0,
            master="",
            previous_epoch="",
            workers=_workers(seats, known.view),
        )
        if len(encode_head(following)) <= self.inline_bytes:
            return Write("roster", following)
        packed = pack_roster(seats)
        named = following.changed(roster=(), digest=packed.digest, pages=len(packed.pages), master=seats[0].address)
        return Write("roster", named, packed)

    def close(self, head: Head, situation: Situation) -> Write:
        """Close the run, and keep who was done: so that a node that stood by can tell why."""
        return Write("close", head.changed(closed=True, departed=head.masks(situation.departed)))

    def _form(self, known: LocalView, head: Head, situation: Situation, now: float) -> Proposal | None:
        """Return the next step towards a roster."""
        terms, count = head.terms, len(situation.candidates)
        assert terms is not None
        called = head.last_call_round == head.round + 1
        if count < terms.min_nodes or not self.rules.is_due(head, situation):
            return Write("call off", head.changed(last_call_round=0, last_call_number=0)) if called else None
        if count < terms.max_nodes:
            if not called or known.last_call_since is None:
                return self._last_call(head)
            over = known.last_call_since[2] + terms.last_call_timeout
            if now < over:
                return WaitUntil(over)
        if not self.rules.may_follow(situation):
            return None
        clear = self._fenced_until(known, head, situation)
        return WaitUntil(clear) if now < clear else FormRoster()

    def _last_call(self, head: Head) -> Write:
        return Write("last call", head.changed(last_call_round=head.round + 1, last_call_number=head.revision + 1))

    def _fenced_until(self, known: LocalView, head: Head, situation: Situation) -> float:
        assert head.terms is not None
        lost = [known.gone_since[member] for member, how in situation.departed.items() if self.rules.needs_fence(how)]
        unseated = [since for member, since in known.vanished_since.items() if member not in situation.departed]
        blind = [
            known.watched_since for past in situation.previous_epochs if self.rules.is_forgotten(past, known.remembered)
        ]
        return max(lost + unseated + blind, default=float("-inf")) + head.terms.fence_delay

    def announce(self, known: LocalView, head: Head, situation: Situation, now: float) -> Write | WaitUntil | None:
        """Tell those who work that they should meet again, once a round, and keep what they said when they went."""
        if head.closed or not head.round:
            return None
        pending: Pending = head.pending or (self._reason(situation) if situation.working else "")
        due = self._evicts_at(known, situation)
        evicting: dict[str, DepartureOutcome] = dict.fromkeys(situation.not_asking, "lost") if now >= due else {}
        before = head.gone()
        said_bye = any(how != "lost" for member, how in situation.departed.items() if member not in before)
        if pending == head.pending and not said_bye and not evicting:
            return WaitUntil(due) if due < float("inf") else None
        departed = head.masks({**situation.departed, **evicting})
        return Write("pending", head.changed(pending=pending, departed=departed))

    def _evicts_at(self, known: LocalView, situation: Situation) -> float:
        if self.evict_after is None or known.pending_since is None or not situation.not_asking:
            return float("inf")
        return known.pending_since[2] + self.evict_after

    def _reason(self, situation: Situation) -> Pending:
        if any(how != "done" for how in situation.departed.values()):
            return "LOST"
        if situation.seated_asking:
            return "ASKED"
        return "WAITING" if situation.admissible else ""


def _workers(seats: tuple[Seat, ...], view: MembersView) -> WorkerCounts:
    """Return how many workers those of a roster run, as their memberships say."""
    says = {member.id: decode_announcement(member.payload) for member in view.members}
    return pack_counts(1 if (said := says.get(seat.member)) is None else said.workers for seat in seats)
