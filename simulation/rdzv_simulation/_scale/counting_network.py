"""A network that counts messages and bytes, and loses none."""

from __future__ import annotations

from typing import Any

from rdzv_core._handler import operations
from rdzv_core._handler.head import encode_head
from rdzv_core._handler.roster import page_of
from rdzv_core.abc import MembersView, SetStateResult, StateSnapshot
from rdzv_simulation._cluster.in_flight import InFlight, Sender
from rdzv_simulation._cluster.network import Network
from rdzv_simulation._cluster.rng import Fate, MessageRng
from rdzv_simulation._cluster.store import SimStore
from rdzv_simulation._cluster.timeline import Timeline

LATENCY = 0.0002
"""Seconds that a message takes."""

SERVICE = 20e-6
"""Seconds that the store takes for a request."""

FRAME = 32
"""Bytes of a message around what it carries."""


class SteadyRng(MessageRng):
    """Lets every message arrive, and all take the same time."""

    def __init__(self) -> None:
        super().__init__(0, "random", (), calm=True, keep=())

    def fate(self, node: str) -> Fate:  # noqa: ARG002 - all nodes are equal
        return LATENCY, LATENCY


class CountingNetwork(Network):
    """Counts what it carries. The store answers one request after the other."""

    def __init__(self, timeline: Timeline, store: SimStore, rng: MessageRng) -> None:
        super().__init__(timeline, store, rng)
        self.messages = self.bytes = 0
        self._free_at = 0.0

    def carry(self, sender: Sender, operation: operations.Operation) -> None:
        self.messages += 1
        self.bytes += FRAME + _request_bytes(operation)
        super().carry(sender, operation)

    def arrive(self, flight: InFlight) -> None:
        self._free_at = max(self._free_at, self.timeline.time) + SERVICE
        self.timeline.later(self._free_at - self.timeline.time, super().arrive, flight)

    def answer(self, flight: InFlight, result: Any) -> None:
        self.messages += 1
        self.bytes += FRAME + self._answer_bytes(flight.operation, result)
        super().answer(flight, result)

    def _answer_bytes(self, operation: operations.Operation, result: Any) -> int:
        match operation:
            case operations.FetchRoster():
                return len(self.store.rosters[operation.digest].whole)
            case operations.FindRank():
                pages = self.store.rosters[operation.digest].pages
                return len(pages[page_of(operation.member, operation.pages)])
            case operations.WaitHead():
                return _state_bytes(result[1])
        if isinstance(result, MembersView):
            return sum(len(member.id) + len(member.payload) for member in result.members)
        return _state_bytes(result)


def _request_bytes(operation: operations.Operation) -> int:
    match operation:
        case operations.WriteHead():
            packed = operation.roster
            roster = 0 if packed is None else len(packed.whole) + sum(len(page) for page in packed.pages)
            return len(encode_head(operation.head)) + roster
        case operations.Enter() | operations.Update():
            return len(operation.payload)
    return 0


def _state_bytes(result: Any) -> int:
    return len(result[0]) if isinstance(result, (StateSnapshot, SetStateResult)) else 0
