"""Mutants of what a leader writes."""

# ruff: noqa: ARG002 - where a rule is taken away, what it looked at is looked at no more

from __future__ import annotations

import msgspec

from rdzv_core._handler.departure import DepartureRules
from rdzv_core._handler.head import Head, decode_announcement
from rdzv_core._handler.intents import Departure as Departing
from rdzv_core._handler.machine import Machine
from rdzv_core._handler.proposals import FormRoster, Proposal, Proposer, WaitUntil, Write
from rdzv_core._handler.situation import Situation
from rdzv_core._handler.view import LocalView
from rdzv_core.abc import MembersView


class _Led(Machine):
    """A machine with a leader of its own kind."""

    leader: type[Proposer]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._leadership.proposer = self.leader(
            self.rules, self.order, self.settings.evict_after, self.inline_roster_bytes
        )


class _NoLastCall(Proposer):
    def _form(self, known: LocalView, head: Head, situation: Situation, now: float) -> Proposal | None:
        formed = super()._form(known, head, situation, now)
        return FormRoster() if isinstance(formed, Write) and formed.purpose == "last call" else formed


class NoLastCall(_Led):
    """A round forms as soon as min_nodes ask, without a last call."""

    leader = _NoLastCall


class _ShortLastCall(Proposer):
    def propose(self, known: LocalView, head: Head, situation: Situation, now: float) -> Proposal | None:
        if known.last_call_since is not None:
            known.last_call_since = (*known.last_call_since[:2], now - 1e6)
        return super().propose(known, head, situation, now)


class ShortLastCall(_Led):
    """Who takes over the lead takes the last call for over."""

    leader = _ShortLastCall


class _NoMinimum(Proposer):
    def _form(self, known: LocalView, head: Head, situation: Situation, now: float) -> Proposal | None:
        formed = super()._form(known, head, situation, now)
        if formed is None and situation.candidates and self.rules.may_follow(situation):
            return FormRoster()
        return formed


class NoMinimum(_Led):
    """A last call that was begun is gone through with, though the number fell below min_nodes."""

    leader = _NoMinimum


class _SameRound(Proposer):
    def roster(self, known: LocalView, head: Head, situation: Situation, writer: str) -> Write:
        made = super().roster(known, head, situation, writer)
        if not head.round:
            return made
        again = msgspec.structs.replace(made.head, round=head.round, fence=head.fence)
        return Write("roster", again, made.roster)


class ReusesTheRound(_Led):
    """A roster after a loss keeps the number of the round that it repairs."""

    leader = _SameRound


class _SameFence(Proposer):
    def roster(self, known: LocalView, head: Head, situation: Situation, writer: str) -> Write:
        made = super().roster(known, head, situation, writer)
        return Write("roster", msgspec.structs.replace(made.head, fence=max(1, head.fence)), made.roster)


class SameFence(_Led):
    """The fence counts epochs and not rosters."""

    leader = _SameFence


class _Reopens(Proposer):
    def propose(self, known: LocalView, head: Head, situation: Situation, now: float) -> Proposal | None:
        return super().propose(known, msgspec.structs.replace(head, closed=False), situation, now)


class LeadsAClosedRun(_Led):
    """Who leads goes on leading after the run was closed."""

    leader = _Reopens


class _Silent(Proposer):
    def announce(self, known: LocalView, head: Head, situation: Situation, now: float) -> Write | WaitUntil | None:
        return None


class TellsNobody(_Led):
    """Those who work are not told that somebody was lost or waits."""

    leader = _Silent


class _Impatient(Proposer):
    def propose(self, known: LocalView, head: Head, situation: Situation, now: float) -> Proposal | None:
        return Proposer(self.rules, self.order, 0.1, self.inline_bytes).propose(known, head, situation, now)


class Impatient(_Led):
    """Who does not ask soon after the others is dropped, unasked."""

    leader = _Impatient


class _ForgetsTheVanished(Proposer):
    def propose(self, known: LocalView, head: Head, situation: Situation, now: float) -> Proposal | None:
        known.vanished_since.clear()
        return super().propose(known, head, situation, now)


class ForgetsTheVanished(_Led):
    """Who was at work when the register was lost, and expires, is not waited for."""

    leader = _ForgetsTheVanished


class _MindsSpares(Proposer):
    def propose(self, known: LocalView, head: Head, situation: Situation, now: float) -> Proposal | None:
        if not self.rules.is_finished(head, situation.departed) or not situation.asking:
            return super().propose(known, head, situation, now)
        return None if head.closed or head.terms is None else self._form(known, head, situation, now)


class _LeavesItToSpares(DepartureRules):
    def is_last(self, departure: Departing) -> bool | None:
        last = super().is_last(departure)
        return last and self._known.view is not None and not self._asking(self._known.view)

    def _asking(self, view: MembersView) -> bool:
        says = (decode_announcement(member.payload) for member in view.members)
        return any(one is not None and one.ask for one in says)


class LastFinisherMindsSpares(_Led):
    """The last one to finish closes the run only if nobody waits, and so does who leads."""

    leader = _MindsSpares

    def __post_init__(self) -> None:
        super().__post_init__()
        self._departure_rules = _LeavesItToSpares(self.known, self.rules, self.settings.deputy_delay)


class _Reticent(Proposer):
    def close(self, head: Head, situation: Situation) -> Write:
        return Write("close", head.changed(closed=True))


class ClosesWithoutAReason(_Led):
    """The node that closes a run which has finished does not say that all were done."""

    leader = _Reticent


class _Hangman(Proposer):
    def _evicts_at(self, known: LocalView, situation: Situation) -> float:
        due = super()._evicts_at(known, situation)
        return due if self.evict_after is None else due - self.evict_after


class EvictsAtOnce(_Led):
    """Where evict_after is set, a member that has not stopped yet is dropped at once."""

    leader = _Hangman
