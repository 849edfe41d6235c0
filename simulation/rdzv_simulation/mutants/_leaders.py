"""Mutants of what a leader writes."""

# ruff: noqa: ARG002 - where a rule is taken away, nothing looks at its arguments any more

from __future__ import annotations

import msgspec

from rdzv_core._handler.departure_rules import DepartureRules
from rdzv_core._handler.head import Head, decode_announcement
from rdzv_core._handler.machine import Machine
from rdzv_core._handler.proposals import FormRoster, Proposal, Proposer, WaitUntil, Write
from rdzv_core._handler.situation import Situation
from rdzv_core._handler.states import Departing
from rdzv_core._handler.view import LocalView
from rdzv_core.abc import MembersView


class _NoLastCall(Proposer):
    def _form(self, known: LocalView, head: Head, situation: Situation, now: float) -> Proposal | None:
        formed = super()._form(known, head, situation, now)
        return FormRoster() if isinstance(formed, Write) and formed.purpose == "last call" else formed


class NoLastCall(Machine):
    """A round forms as soon as min_nodes ask, without a last call."""

    proposer_type = _NoLastCall


class _ShortLastCall(Proposer):
    def propose(self, known: LocalView, head: Head, situation: Situation, now: float) -> Proposal | None:
        if known.last_call_since is not None:
            known.last_call_since = (*known.last_call_since[:2], now - 1e6)
        return super().propose(known, head, situation, now)


class ShortLastCall(Machine):
    """A node that takes over the lead treats the last call as over."""

    proposer_type = _ShortLastCall


class _NoMinimum(Proposer):
    def _form(self, known: LocalView, head: Head, situation: Situation, now: float) -> Proposal | None:
        formed = super()._form(known, head, situation, now)
        if formed is None and situation.candidates and self.rules.may_follow(situation):
            return FormRoster()
        return formed


class NoMinimum(Machine):
    """A last call that has begun leads to a round even if fewer than min_nodes are left."""

    proposer_type = _NoMinimum


class _SameRound(Proposer):
    def roster(self, known: LocalView, head: Head, situation: Situation, writer: str) -> Write:
        made = super().roster(known, head, situation, writer)
        if not head.round:
            return made
        again = msgspec.structs.replace(made.head, round=head.round, fence=head.fence)
        return Write("roster", again, made.roster)


class ReusesTheRound(Machine):
    """A roster after a loss keeps the number of the round that it repairs."""

    proposer_type = _SameRound


class _SameFence(Proposer):
    def roster(self, known: LocalView, head: Head, situation: Situation, writer: str) -> Write:
        made = super().roster(known, head, situation, writer)
        return Write("roster", msgspec.structs.replace(made.head, fence=max(1, head.fence)), made.roster)


class SameFence(Machine):
    """The fence counts epochs and not rosters."""

    proposer_type = _SameFence


class _Reopens(Proposer):
    def propose(self, known: LocalView, head: Head, situation: Situation, now: float) -> Proposal | None:
        return super().propose(known, msgspec.structs.replace(head, closed=False), situation, now)


class LeadsAClosedRun(Machine):
    """The leader goes on leading after the run was closed."""

    proposer_type = _Reopens


class _Silent(Proposer):
    def announce(self, known: LocalView, head: Head, situation: Situation, now: float) -> Write | WaitUntil | None:
        return None


class TellsNobody(Machine):
    """Those who work are not told that somebody was lost or waits."""

    proposer_type = _Silent


class _Impatient(Proposer):
    def propose(self, known: LocalView, head: Head, situation: Situation, now: float) -> Proposal | None:
        return Proposer(self.rules, self.order, 0.1, self.inline_bytes).propose(known, head, situation, now)


class Impatient(Machine):
    """A member that does not ask soon after the others is dropped, without being told to stop."""

    proposer_type = _Impatient


class _ForgetsTheVanished(Proposer):
    def propose(self, known: LocalView, head: Head, situation: Situation, now: float) -> Proposal | None:
        known.vanished_since.clear()
        return super().propose(known, head, situation, now)


class ForgetsTheVanished(Machine):
    """A member that was at work when the register was lost, and then expires, is not waited for."""

    proposer_type = _ForgetsTheVanished


class _MindsSpares(Proposer):
    def propose(self, known: LocalView, head: Head, situation: Situation, now: float) -> Proposal | None:
        if not self.rules.is_finished(head, situation.departed) or not situation.asking:
            return super().propose(known, head, situation, now)
        return None if head.closed or head.terms is None else self._form(known, head, situation, now)


class _LeavesItToSpares(DepartureRules):
    def is_last(self, departing: Departing) -> bool | None:
        last = super().is_last(departing)
        return last and self._known.view is not None and not self._asking(self._known.view)

    def _asking(self, view: MembersView) -> bool:
        says = (decode_announcement(member.payload) for member in view.members)
        return any(one is not None and one.ask for one in says)


class LastFinisherMindsSpares(Machine):
    """The last one to finish, and the leader, close the run only if nobody waits."""

    proposer_type = _MindsSpares
    departure_rules_type = _LeavesItToSpares


class _Reticent(Proposer):
    def close(self, head: Head, situation: Situation) -> Write:
        return Write("close", head.changed(closed=True))


class ClosesWithoutAReason(Machine):
    """The node that closes a run which has finished does not say that all were done."""

    proposer_type = _Reticent


class _Hangman(Proposer):
    def _evicts_at(self, known: LocalView, situation: Situation) -> float:
        due = super()._evicts_at(known, situation)
        return due if self.evict_after is None else due - self.evict_after


class EvictsAtOnce(Machine):
    """Where evict_after is set, a member that has not stopped yet is dropped at once."""

    proposer_type = _Hangman
