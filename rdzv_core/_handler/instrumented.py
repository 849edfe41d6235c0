"""A state machine that reports what happens to it: how long each part of a meeting took, and what it cost.

It decides nothing. It reports what it sees going in and out, so that the machine itself knows nothing of events.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rdzv_core import events
from rdzv_core._handler import operations
from rdzv_core._handler.head import DepartureKind, decode_announcement
from rdzv_core._handler.info import Change
from rdzv_core._handler.machine import Machine
from rdzv_core._handler.operations import WAITS, Operation, Outcome
from rdzv_core._handler.states import Idle, Joining


@dataclass
class Meeting:
    """What happened when in one meeting, on the machine's clock, and what it cost."""

    asked: float = 0.0
    entered: float | None = None
    called: float | None = None
    seated: float | None = None
    writes: int = 0
    refused: int = 0
    errors: int = 0

    def phases(self, now: float) -> events.Phases:
        """Return how long each part took, given that the meeting was over at `now`."""
        until = now if self.seated is None else self.seated
        begun = self.asked if self.entered is None else self.entered
        gathered = until if self.called is None else self.called
        return events.Phases(
            entering=None if self.entered is None else self.entered - self.asked,
            gathering=None if self.entered is None else max(0.0, gathered - begun),
            last_call=None if self.called is None else max(0.0, until - max(self.called, begun)),
            announcing=None if self.seated is None else now - self.seated,
            total=now - self.asked,
        )

    def attempts(self) -> events.Attempts:
        """Return what it cost."""
        return events.Attempts(self.writes, self.refused, self.errors)


@dataclass
class InstrumentedMachine(Machine):
    """Calls `tell` with every event; that must neither block nor raise."""

    run_id: str = ""
    tell: Callable[[events.Event], None] = field(default=lambda _: None)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.meeting = Meeting()
        self._now = 0.0
        self._change: Change | None = None
        self._held_round = 0
        self._departing: tuple[DepartureKind, float] | None = None
        self._failing_since: tuple[float, int] | None = None

    def ask(self, now: float, deadline: float | None = None) -> None:
        """Begin a meeting."""
        self._now = now
        self.meeting = Meeting(asked=now, entered=now if self.lease_keeper.lease is not None else None)
        self._say(events.Joining)
        super().ask(now, deadline)

    def depart(self, kind: DepartureKind, now: float) -> None:
        """Note since when; a node that is not in the run, or has said goodbye already, has nothing to report."""
        self._now = now
        if not isinstance(self.state, Idle) and self._departing is None:
            self._departing = (kind, now)
            self._say(events.Departing, kind)
        super().depart(kind, now)

    def done(self, operation: Operation, result: Any, now: float) -> None:
        """Note what succeeded."""
        self._now = now
        self._store_is_back(operation, now)
        if isinstance(operation, operations.Enter) and self.meeting.entered is None:
            self.meeting.entered = now
            self._say(events.Entered, now - self.meeting.asked)
        if isinstance(operation, operations.WriteHead):
            self._note_write(operation, bool(result is not None and result[2]))
        super().done(operation, result, now)
        called = self.known.last_call_since
        if called is not None and self._joining and self.meeting.called is None:
            self.meeting.called = max(called[2], self.meeting.asked)
            head = self.known.head
            self._say(events.LastCall, head.last_call_round if head else 0, self.meeting.called - self.meeting.asked)

    def failed(self, operation: Operation, error: Exception, now: float) -> None:
        """Note what failed."""
        self._now = now
        self.meeting.errors += 1
        if self._failing_since is None:
            self._failing_since = (now, 0)
            self._say(events.StoreFailing, type(operation).__name__, error)
        self._failing_since = (self._failing_since[0], self._failing_since[1] + 1)
        super().failed(operation, error, now)

    def tick(self, now: float) -> None:
        """Note the time."""
        self._now = now
        super().tick(now)

    def take_operations(self) -> list[Operation]:
        """See this node announce that it is in a roster."""
        started = super().take_operations()
        if self._joining and self.meeting.seated is None:
            for operation in started:
                if isinstance(operation, operations.Update) and _says_where(operation.payload):
                    self.meeting.seated = operation.started
        return started

    def take_outcomes(self) -> list[Outcome]:
        """See how meetings and departures end."""
        outcomes = super().take_outcomes()
        for outcome in outcomes:
            if isinstance(outcome, operations.RoundJoined):
                held = outcome.held
                place = (held.round, held.rank, held.size, held.epoch, held.fence)
                self._say(events.Joined, *place, self.meeting.phases(self._now), self.meeting.attempts())
            elif isinstance(outcome, operations.Failed):
                meeting = self.meeting
                self._say(events.JoiningFailed, outcome.error, meeting.phases(self._now), meeting.attempts())
            elif isinstance(outcome, operations.DepartureDone) and self._departing is not None:
                self._say(events.Departed, self._departing[0], self._now - self._departing[1])
                self._departing = None
        return outcomes

    def change(self) -> Change | None:
        """See the round end."""
        change = super().change()
        if change is not None and change != self._change:
            self._say(events.Changed, self._held_round, change.reason.name, change.detail)
        self._change = change
        if self.held is not None:
            self._held_round = self.held.round
        return change

    @property
    def _joining(self) -> bool:
        return isinstance(self.state, Joining)

    def _note_write(self, operation: operations.WriteHead, accepted: bool) -> None:
        self.meeting.writes += 1
        self.meeting.refused += not accepted
        before = self.known.head.round if self.known.head is not None else 0
        head = operation.head
        size = head.size if head.round > before else 0
        self._say(events.RegisterWritten, head.round, accepted, size)

    def _store_is_back(self, operation: Operation, now: float) -> None:
        if self._failing_since is not None and operation.channel not in WAITS:
            since, errors = self._failing_since
            self._failing_since = None
            self._say(events.StoreBack, now - since, errors)

    def _say(self, kind: Callable[..., events.Event], *said: Any) -> None:
        self.tell(kind(self.run_id, self.settings.node_id, *said))


def _says_where(payload: bytes) -> bool:
    says = decode_announcement(payload)
    return says is not None and says.at is not None
