"""Events as OpenTelemetry's spans and metrics. Needs its API package; where they go is up to the program's SDK.

A meeting is a span `rdzv.rendezvous` from asking to having a round, with the last call and so on as its events; what
a worker of `rdzv run` did in a round is a span `rdzv.command`. Counters: `rdzv.rounds`, `rdzv.changes` (by reason),
`rdzv.store.failures`; a histogram of seconds: `rdzv.rendezvous.duration`.
"""

from __future__ import annotations

from typing import Any

from opentelemetry import metrics, trace

from rdzv_core._listeners.record import attributes
from rdzv_core.events import (
    Changed,
    CommandEnded,
    CommandStarted,
    Event,
    Joined,
    Joining,
    JoiningFailed,
    StoreFailing,
    name_of,
)
from rdzv_core.hooks import hookimpl

_NAME = "rdzv_core"


class OpenTelemetryListener:
    """Uses the tracer and the meter of the program unless others are given."""

    def __init__(self, tracer: trace.Tracer | None = None, meter: metrics.Meter | None = None) -> None:
        self._tracer = tracer or trace.get_tracer(_NAME)
        meter = meter or metrics.get_meter(_NAME)
        self._rounds = meter.create_counter("rdzv.rounds", description="rounds that this node was in")
        self._changes = meter.create_counter("rdzv.changes", description="why rounds ended, by reason")
        self._failures = meter.create_counter("rdzv.store.failures", description="times that the store failed")
        self._duration = meter.create_histogram("rdzv.rendezvous.duration", "s", "from asking to having a round")
        self._meeting: trace.Span | None = None
        self._commands: dict[int, trace.Span] = {}

    @hookimpl
    def rdzv_event(self, event: Event) -> None:
        """Take note of an event."""
        said = {f"rdzv.{key}": value for key, value in attributes(event).items()}
        run = {"rdzv.run_id": event.run_id}
        at = _nanoseconds(event.time)
        if isinstance(event, Joining):
            self._meeting = self._begin("rdzv.rendezvous", self._meeting, said, at)
        elif isinstance(event, (Joined, JoiningFailed)):
            self._end_meeting(event, said, at)
            self._duration.record(event.phases.total, run)
        elif isinstance(event, CommandStarted):
            self._commands[event.rank] = self._begin("rdzv.command", self._commands.get(event.rank), said, at)
        elif isinstance(event, CommandEnded):
            _end(self._commands.pop(event.rank, None), said, at)
        else:
            for span in [self._meeting] if self._meeting is not None else self._commands.values():
                span.add_event(name_of(event), said, at)
        self._count(event, run)

    def close(self) -> None:
        """End the spans that are open."""
        for span in (self._meeting, *self._commands.values()):
            _end(span, {}, None)
        self._meeting = None
        self._commands.clear()

    def _begin(self, name: str, before: trace.Span | None, said: dict[str, Any], at: int) -> trace.Span:
        _end(before, {}, at)
        return self._tracer.start_span(name, attributes=said, start_time=at)

    def _end_meeting(self, event: Joined | JoiningFailed, said: dict[str, Any], at: int) -> None:
        if self._meeting is not None and isinstance(event, JoiningFailed):
            self._meeting.record_exception(event.error, timestamp=at)
            self._meeting.set_status(trace.StatusCode.ERROR, str(event.error))
        _end(self._meeting, said, at)
        self._meeting = None

    def _count(self, event: Event, run: dict[str, str]) -> None:
        if isinstance(event, Joined):
            self._rounds.add(1, run)
        elif isinstance(event, Changed):
            self._changes.add(1, {**run, "rdzv.reason": event.reason})
        elif isinstance(event, StoreFailing):
            self._failures.add(1, run)


def _end(span: trace.Span | None, said: dict[str, Any], at: int | None) -> None:
    if span is not None:
        span.set_attributes(said)
        span.end(at)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
