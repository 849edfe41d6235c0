"""Mutants of what a node reads, believes and writes."""

# ruff: noqa: ARG002 - where a rule is taken away, nothing looks at its arguments any more

from __future__ import annotations

import dataclasses
from typing import Any

from rdzv_core import RendezvousClosedError, RendezvousGracefulExitError
from rdzv_core._handler import operations
from rdzv_core._handler.departure_rules import DepartureRules
from rdzv_core._handler.head import Head
from rdzv_core._handler.head_writer import HeadWriter
from rdzv_core._handler.info import Change
from rdzv_core._handler.joiner import Joiner
from rdzv_core._handler.machine import Machine
from rdzv_core._handler.operations import Operation
from rdzv_core._handler.proposals import WaitUntil, Write
from rdzv_core._handler.situation import Situation
from rdzv_core._handler.states import Closing, Departing, Joining, State
from rdzv_core._handler.view import LocalView


class EdgeTriggered(Machine):
    """What changes in the second in which the job sets itself up is not reported when it begins to wait."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.joined_at: float | None = None
        self.missed: Change | None = None

    def plan(self, now: float) -> None:
        super().plan(now)
        if self.held is None:
            self.joined_at = self.missed = None
        else:
            self.joined_at = self.joined_at or now
            if now < self.joined_at + 1.0:
                self.missed = super().change()

    def change(self) -> Change | None:
        present = super().change()
        return None if present == self.missed else present


class _Careless(HeadWriter):
    def led(self, state: State, now: float) -> Write | WaitUntil | None:
        self.known.view_based_on = self.known.token
        return super().led(state, now)


class DecidesOnAnOldView(Machine):
    """A roster is written on memberships that were read before the token."""

    head_writer_type = _Careless


class ResendsRefusedWrites(Machine):
    """A refused write is sent again with the new token."""

    def done(self, operation: Operation, result: Any, now: float) -> None:
        super().done(operation, result, now)
        if isinstance(operation, operations.WriteHead) and result is not None and not result[2]:
            queued = self.channels.operations
            self.channels.operations = [one for one in queued if not isinstance(one, operations.WriteHead)]
            self.channels.start(operations.WriteHead(now, operation.head, result[1], operation.roster))


class BelievesInItsWrites(Machine):
    """A write whose answer was lost is assumed to have succeeded: nothing is read again."""

    def failed(self, operation: Operation, error: Exception, now: float) -> None:
        super().failed(operation, error, now)
        if isinstance(operation, operations.WriteHead):
            self.known.looked, self.known.head = True, operation.head


class RanksItself(Machine):
    """Each node takes the rank that it has among the members as it sees them."""

    def take_outcomes(self) -> list[operations.Outcome]:
        return [self._ranked(outcome) for outcome in super().take_outcomes()]

    def _ranked(self, outcome: operations.Outcome) -> operations.Outcome:
        view = self.known.view
        if not isinstance(outcome, operations.RoundJoined) or view is None:
            return outcome
        seen = [member.id for member in view.members]
        rank = seen.index(outcome.held.member) if outcome.held.member in seen else 0
        return operations.RoundJoined(dataclasses.replace(outcome.held, rank=min(rank, outcome.held.size - 1)))


class _Credulous(LocalView):
    def _is_of_another_epoch(self, snapshot: Any) -> bool:
        return False


class BelievesALateAnswer(Machine):
    """An answer that was asked for before an operator's reset, and comes after it, is taken for the present."""

    view_type = _Credulous


class _Unforgetting(LocalView):
    def note_gone(self, situation: Situation, now: float) -> None:
        self.gone_in = None if self.head is None else (self.head.epoch, self.head.round)
        super().note_gone(situation, now)


class RemembersAnEarlierEviction(Machine):
    """The fence delay of a member that was dropped from an earlier round, and worked again, is not waited for again."""

    view_type = _Unforgetting


class _Named(LocalView):
    name = ""

    def rank(self, member: str) -> int | None:
        seats = self.head.roster if self.head is not None else ()
        return next((rank for rank, seat in enumerate(seats) if seat.node == self.name), super().rank(member))


class FindsItselfByName(Machine):
    """A node finds its rank by its name, where its former self may stand."""

    view_type = _Named

    def __post_init__(self) -> None:
        super().__post_init__()
        self.known.name = self.settings.node_id  # type: ignore[attr-defined]


class BelievesTheLastToCome(Machine):
    """A head that arrives late counts, though a later one is known."""

    def done(self, operation: Operation, result: Any, now: float) -> None:
        known = self.known.head
        if known is not None and isinstance(operation, (operations.ReadHead, operations.WaitHead)):
            self.known.head = None
        super().done(operation, result, now)


class LooksOnce(Machine):
    """A node that is not among the first three never checks its place again."""

    def __post_init__(self) -> None:
        self.place_checks = (1e9, 1e9)
        super().__post_init__()


class _Hasty(DepartureRules):
    def is_over(self, departing: Departing, own: str) -> bool:
        return super().is_over(departing, own) or departing.kind == "left" or self.is_last(departing) is False


class GoesUnheard(Machine):
    """A node that goes does not wait until the head has its goodbye: its membership was to tell the others."""

    departure_rules_type = _Hasty


class _Restless(HeadWriter):
    def own(self, state: State, closing: Closing | None, now: float) -> Write | WaitUntil | None:
        head = self.known.head
        if isinstance(state, Joining) and head is not None and head.pending == "LOST":
            return Write("terms", Head(epoch=self.new_id(), terms=head.terms))
        return super().own(state, closing, now)


class StartsOver(Machine):
    """A node that finds no roster with itself in it begins a new epoch."""

    head_writer_type = _Restless


class _Nervous(Joiner):
    def bears_with(self, join: Joining, error: Exception, now: float) -> bool:
        return False


class FirstErrorEndsAJoin(Machine):
    """A join ends with the first error that the store gives it."""

    joiner_type = _Nervous


class TellsSparesAnError(Machine):
    """A node that waited in a run which has finished is told that the run is closed."""

    def take_outcomes(self) -> list[operations.Outcome]:
        return [self._blunt(outcome) for outcome in super().take_outcomes()]

    def _blunt(self, outcome: operations.Outcome) -> operations.Outcome:
        if isinstance(outcome, operations.Failed) and isinstance(outcome.error, RendezvousGracefulExitError):
            return operations.Failed(RendezvousClosedError(str(outcome.error)))
        return outcome
