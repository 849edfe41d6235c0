"""Between a node and the store: delays, lost requests, lost answers, late ones, and connections that end."""

from __future__ import annotations

from typing import Any, TypeGuard

from rdzv_core import RendezvousConnectionError
from rdzv_core._handler import operations
from rdzv_simulation._cluster.execution import execute, head_changed, members_changed
from rdzv_simulation._cluster.in_flight import InFlight, Sender
from rdzv_simulation._cluster.links import Links
from rdzv_simulation._cluster.rng import MessageRng
from rdzv_simulation._cluster.store import SimStore
from rdzv_simulation._cluster.timeline import Timeline
from rdzv_simulation._cluster.waits import Wait

TIMEOUT = 2.0
"""Seconds after which an operation without an answer fails; a wait may take its own timeout longer."""

_LATE = 0.6
"""Seconds from which a message counts as late, and is in the trace."""

_REFUSED_AFTER = 0.003
"""Seconds until a node knows that nobody listens, or that its connection has ended."""

_SEQUENCED = (operations.Update, operations.Refresh)
_WAITS = (operations.WaitHead, operations.WaitMembers)


class Network:
    """Carries operations to the store and answers back.

    `ambush`, if set, is for how many seconds the next node freezes that is about to write a roster. `stray_until` is
    when the last request arrives whose sender has given it up by then.
    """

    def __init__(self, timeline: Timeline, store: SimStore, rng: MessageRng) -> None:
        self.timeline: Timeline = timeline
        self.store = store
        self.links: Links = Links(timeline)
        self.ambush: float = 0.0
        self.stray_until: float = float("-inf")
        self._rng = rng
        self._under_way: dict[InFlight, None] = {}

    def break_all(self, lost: bool) -> None:
        """End all connections. Each request and each answer is `lost`, or its sender is told at once that it is."""
        flights, self._under_way = self._under_way, {}
        for flight in flights:
            flight.broken = True
            if not lost:
                self._refuse(flight)
            elif flight.expiry is not None:
                self.lose(flight)

    def carry(self, sender: Sender, operation: operations.Operation) -> None:
        """Send `operation`; in the end exactly one of the sender's `answered` and `failed` is called."""
        timeline, kind = self.timeline, type(operation)
        out, back = self._rng.fate(sender.name)
        sequence = operation.member.next_sequence() if kind in _SEQUENCED else 0  # type: ignore[attr-defined]
        patience = TIMEOUT + operation.timeout if kind in _WAITS else TIMEOUT  # type: ignore[attr-defined]
        flight = InFlight(sender, operation, sequence, back, timeline.time + patience)
        self._under_way[flight] = None
        if self.ambush and out is not None and is_leaders_write(operation):
            seconds, self.ambush = self.ambush, 0.0
            sender.stall(seconds, "between reading and writing")
            out, flight.until = out + seconds, flight.until + seconds
        if timeline.tracing and (timeline.tracing > 1 or out is None or back is None or out + back > _LATE):
            self._trace(flight, out)
        if out is None or self.links.is_cut(sender.name):
            timeline.later(flight.until - timeline.time, self._give_up, flight)
            return
        if out >= patience:
            timeline.later(patience, self._give_up, flight)
            self.stray_until = max(self.stray_until, timeline.time + out)
        timeline.later(out, self.arrive, flight)

    def arrive(self, flight: InFlight) -> None:
        """Let a request reach the store."""
        store, operation = self.store, flight.operation
        if store.away == "silent" or flight.broken or self.links.is_cut(flight.sender.name):
            self.lose(flight)
        elif store.away:
            self._refuse(flight)
        elif type(operation) is operations.WaitHead:
            Wait(self.timeline, store, self, flight, store.head_waiters, head_changed).begin(operation.timeout)
        elif type(operation) is operations.WaitMembers:
            Wait(self.timeline, store, self, flight, store.member_waiters, members_changed).begin(operation.timeout)
        else:
            self.answer(flight, execute(store, operation, flight.sequence))

    def answer(self, flight: InFlight, result: Any) -> None:
        """Send the answer, which may be lost."""
        if not flight.open:
            return
        timeline, back, name = self.timeline, flight.back, flight.sender.name
        if back is None or flight.broken:
            self.lose(flight)
            return
        back += self.links.delay(name)
        if timeline.time + back > flight.until or self.links.is_mute(name):
            self.lose(flight)
        else:
            timeline.later(back, self._settle, flight, result)

    def lose(self, flight: InFlight) -> None:
        """Send no answer: its sender waits until it gives up."""
        if flight.open:
            self.timeline.later(flight.until - self.timeline.time, self._give_up, flight)

    def _settle(self, flight: InFlight, result: Any) -> None:
        if not flight.open:
            return
        if flight.broken or self.links.is_cut(flight.sender.name):
            self.lose(flight)
            return
        self._end(flight)
        if isinstance(result, Exception):
            flight.sender.failed(flight.operation, result)
        else:
            flight.sender.answered(flight.operation, result)

    def _refuse(self, flight: InFlight) -> None:
        """Let its sender know, a moment later, that nobody is there."""
        if flight.open:
            self._end(flight)
            error = RendezvousConnectionError(f"simulated: {type(flight.operation).__name__} was refused")
            self.timeline.later(_REFUSED_AFTER, flight.sender.failed, flight.operation, error)

    def _give_up(self, flight: InFlight) -> None:
        if flight.open:
            self._end(flight)
            text = f"simulated: no answer to {type(flight.operation).__name__}"
            flight.sender.failed(flight.operation, RendezvousConnectionError(text))

    def _end(self, flight: InFlight) -> None:
        flight.open = False
        self._under_way.pop(flight, None)

    def _trace(self, flight: InFlight, out: float | None) -> None:
        how = "it is lost" if out is None else f"it takes {out:.3f} s"
        back = (
            ""
            if out is None
            else "; its answer is lost"
            if flight.back is None
            else f"; its answer {flight.back:.3f} s"
        )
        self.timeline.note(f"    {flight.sender.name} sends {type(flight.operation).__name__}: {how}{back}")


def is_leaders_write(operation: operations.Operation) -> TypeGuard[operations.WriteHead]:
    """Whether it is a write that only a leader sends: it is based on a reading of the memberships."""
    return type(operation) is operations.WriteHead and bool(operation.head.incarnation)
