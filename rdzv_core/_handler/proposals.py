"""What the leader, or a deputy in its stead, writes into the head. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from rdzv_core._handler.head import INLINE_ROSTER_BYTES, DepartureOutcome, Head, Pending, encode_head
from rdzv_core._handler.roster import PackedRoster, pack_roster
from rdzv_core._handler.rules import RankOrder, Rules, Situation
from rdzv_core._handler.view import LocalView


@dataclass(frozen=True)
class Proposal:
    """A head to be written; `kind` says what for. Without a head: what is waited for, `until` then.

    The kind `roster` comes without one too, with nothing to wait for: ask for it when it is this node's turn.
    """

    kind: str
    head: Head | None = None
    roster: PackedRoster | None = None
    until: float = 0.0


@dataclass(frozen=True)
class Proposer:
    """Decides what a run's head should become, by the rules and by what is known."""

    rules: Rules
    order: RankOrder
    evict_after: float | None = None
    inline_bytes: int = INLINE_ROSTER_BYTES

    def propose(self, known: LocalView, head: Head, situation: Situation, now: float) -> Proposal | None:
        """Say what to write now, or what to wait for, or None."""
        if head.closed or head.terms is None:
            return None
        if self.rules.is_finished(head, situation.departed):
            return self.close(head, situation)
        forming = self._form(known, head, situation, now)
        if forming is not None and forming.kind != "wait":
            return forming
        return self.announce(known, head, situation, now) or forming

    def roster(self, known: LocalView, head: Head, situation: Situation, writer: str) -> Proposal:
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
        )
        if len(encode_head(following)) <= self.inline_bytes:
            return Proposal("roster", following)
        packed = pack_roster(seats)
        named = following.changed(roster=(), digest=packed.digest, pages=len(packed.pages), master=seats[0].address)
        return Proposal("roster", named, packed)

    def close(self, head: Head, situation: Situation) -> Proposal:
        """Close the run, and keep who was done: so that a node that stood by can tell why."""
        return Proposal("close", head.changed(closed=True, departed=head.masks(situation.departed)))

    def _form(self, known: LocalView, head: Head, situation: Situation, now: float) -> Proposal | None:
        terms, count, wanted = head.terms, len(situation.candidates), head.round + 1
        assert terms is not None
        if count < terms.min_nodes or not self.rules.is_due(head, situation):
            return (
                Proposal("call off", head.changed(last_call_round=0, last_call_number=0))
                if head.last_call_round == wanted
                else None
            )
        if count < terms.max_nodes:
            if head.last_call_round != wanted or known.last_call_since is None:
                return Proposal("last call", head.changed(last_call_round=wanted, last_call_number=head.revision + 1))
            over = known.last_call_since[2] + terms.last_call_timeout
            if now < over:
                return Proposal("wait", until=over)
        if not self.rules.may_follow(situation):
            return None
        clear = self._fenced_until(known, head, situation)
        return Proposal("wait", until=clear) if now < clear else Proposal("roster")

    def _fenced_until(self, known: LocalView, head: Head, situation: Situation) -> float:
        assert head.terms is not None
        lost = [known.gone_since[member] for member, how in situation.departed.items() if self.rules.needs_fence(how)]
        unseated = [since for member, since in known.vanished_since.items() if member not in situation.departed]
        blind = [
            known.watched_since for past in situation.previous_epochs if self.rules.is_forgotten(past, known.remembered)
        ]
        return max(lost + unseated + blind, default=float("-inf")) + head.terms.fence_delay

    def announce(self, known: LocalView, head: Head, situation: Situation, now: float) -> Proposal | None:
        """Tell those who work that they should meet again, once a round, and keep what they said when they went."""
        if head.closed or not head.round:
            return None
        pending: Pending = head.pending or (self._reason(situation) if situation.working else "")
        due = self._evicts_at(known, situation)
        evicting: dict[str, DepartureOutcome] = dict.fromkeys(situation.not_asking, "lost") if now >= due else {}
        before = head.gone()
        said_bye = any(how != "lost" for member, how in situation.departed.items() if member not in before)
        if pending == head.pending and not said_bye and not evicting:
            return Proposal("wait", until=due) if due < float("inf") else None
        departed = head.masks({**situation.departed, **evicting})
        return Proposal("pending", head.changed(pending=pending, departed=departed))

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
