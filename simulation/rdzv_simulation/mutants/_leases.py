"""Mutants of how a node keeps its membership."""

# ruff: noqa: ARG002 - where a rule is taken away, nothing looks at its arguments any more

from __future__ import annotations

from typing import Any

from rdzv_core._handler import operations
from rdzv_core._handler.fencing import Fencing
from rdzv_core._handler.head import Head
from rdzv_core._handler.lease_keeper import LeaseKeeper
from rdzv_core._handler.machine import Machine
from rdzv_core._handler.operations import Channel, Operation
from rdzv_core._handler.states import State, Working


class ReentersSilently(Machine):
    """A membership that has ended is entered again without stopping the work."""

    def end_membership(self, why: str, *, may_be_there: bool = True) -> None:
        if isinstance(self.state, Working):
            self._forget_membership()
        else:
            super().end_membership(why, may_be_there=may_be_there)


class _Boastful(LeaseKeeper):
    def says(self, payload: bytes | None) -> bool:
        return self.lease is not None


class WorksBeforeItSaysSo(Machine):
    """A node that finds itself in a roster begins to work, and announces it meanwhile."""

    lease_keeper_type = _Boastful


class _KeeperThatIsTold(LeaseKeeper):
    now = 0.0
    """When the answer came that is being taken in."""


class _MachineThatTells(Machine):
    def done(self, operation: Operation, result: Any, now: float) -> None:
        assert isinstance(self.lease_keeper, _KeeperThatIsTold)
        self.lease_keeper.now = now
        super().done(operation, result, now)


class _LeasedFromTheAnswer(_KeeperThatIsTold):
    def take_in(self, operation: Operation, result: Any) -> bool:
        kept = super().take_in(operation, result)
        if self.lease is not None and kept and not isinstance(operation, operations.Leave):
            self.lease.renewed(self.now)
        return kept


class LeaseRunsFromTheAnswer(_MachineThatTells):
    """A lease is counted from when the answer came, not from when the refresh was sent."""

    lease_keeper_type = _LeasedFromTheAnswer


class _RenewedByBeingTold(_KeeperThatIsTold):
    def take_in_late(self, operation: Operation, result: Any) -> None:
        super().take_in_late(operation, result)
        if self.lease is not None and result and isinstance(operation, operations.Update | operations.Refresh):
            self.lease.renewed(self.now)


class LateRenewalCountsFromItsAnswer(_MachineThatTells):
    """A keep-alive that was given up renews the lease from when its answer comes, not from when it was sent."""

    lease_keeper_type = _RenewedByBeingTold


class _Deaf(LeaseKeeper):
    def take_in(self, operation: Operation, result: Any) -> bool:
        return super().take_in(
            operation, True if isinstance(operation, (operations.Update, operations.Refresh)) else result
        )


class IgnoresItsEnd(Machine):
    """A refresh that was answered counts, though the answer was False."""

    lease_keeper_type = _Deaf


class _Sure(LeaseKeeper):
    def unknown(self, operation: Operation | None) -> None:
        if isinstance(operation, operations.Update) and self.lease is not None:
            self.lease.payload = operation.payload


class BelievesItWasHeard(Machine):
    """An announcement whose answer was lost is assumed to have been made."""

    lease_keeper_type = _Sure


class AbsenceIsLoss(Machine):
    """A node gives up its membership when the store has been out of reach for a second."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.away_since: float | None = None

    def done(self, operation: Operation, result: Any, now: float) -> None:
        self.away_since = None
        super().done(operation, result, now)

    def failed(self, operation: Operation, error: Exception, now: float) -> None:
        self.away_since = now if self.away_since is None else self.away_since
        if self.lease_keeper.lease is not None and now >= self.away_since + 1.0:
            self.end_membership("the store is away")
        super().failed(operation, error, now)


class _Patient(LeaseKeeper):
    def _free(self, now: float) -> bool:
        return self._channels.under_way(Channel.LEASE) is None and super()._free(now)


class WaitsForTheAnswer(Machine):
    """A keep-alive that gets no answer is waited for, and no other one is sent meanwhile."""

    lease_keeper_type = _Patient


class _Stubborn(Fencing):
    def passed_over(self, own: str, state: State) -> bool:
        return isinstance(state, Working) and super().passed_over(own, state)


class HoldsOnToItsClaim(Machine):
    """A node that was dropped before it could say that it works goes on saying that it works in that round."""

    fencing_type = _Stubborn


class _Trusting(Fencing):
    def counts_as_lost(self, own: str, head: Head) -> bool:
        return False


class WaitsThoughLost(Machine):
    """A node that was dropped while it asked for the next round goes on asking, though nobody counts it."""

    fencing_type = _Trusting
