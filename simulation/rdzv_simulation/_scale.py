"""What a run costs each node, from a hundred nodes to ten thousand: messages and bytes, counted on a simulated store.

Nothing goes wrong here. All nodes start within a moment, meet, work, and meet again because one of them asks. The store
answers one request after the other, so that many nodes take longer than few, as they do on a real one; memberships and
round stores are native.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

from rdzv_core._handler import operations
from rdzv_core._handler.head import encode_head
from rdzv_core._handler.machine import Machine
from rdzv_core._handler.roster import page_of
from rdzv_core._handler.rules import Rules
from rdzv_core._handler.settings import HandlerSettings
from rdzv_core._handler.watcher import AGED_BY_THE_STORE
from rdzv_core.abc import MembersView, SetStateResult, StateSnapshot
from rdzv_simulation._chance import Chance, Fate
from rdzv_simulation._check import Checker, Violation
from rdzv_simulation._network import Call, Network
from rdzv_simulation._node import Node
from rdzv_simulation._store import SimStore
from rdzv_simulation._world import World

LATENCY = 0.0002
SERVICE = 20e-6
FRAME = 32
"""Seconds that a message takes, that the store takes for a request, and bytes of a message around what it carries."""

MOST_SPREAD = 0.1
"""What counts as constant: the largest exceeds the smallest by at most this share."""

_LIMIT = 120.0
_INTERVALS = 6


@dataclass(frozen=True)
class Cost:
    """What something cost: messages (requests and answers) and bytes for each node, register writes, and seconds."""

    messages: float
    bytes: float
    writes: int
    seconds: float


@dataclass(frozen=True)
class Scaled:
    """What a run of so many nodes cost: the first meeting, one more round, one keep-alive interval of work.

    `cpu_seconds` is what simulating it took.
    """

    nodes: int
    meeting: Cost
    round: Cost
    interval: Cost
    cpu_seconds: float


def measure(nodes: int) -> Scaled:
    """Let so many nodes meet, work, and meet again; raises `Violation` if they do not."""
    return _Crowd(nodes).measure()


def constant(measured: Sequence[Scaled]) -> list[str]:
    """Say what grows with the number of nodes: messages by more than a tenth, bytes by more than the logarithm."""
    grown = []
    few, many = min(measured, key=_nodes), max(measured, key=_nodes)
    for what in ("meeting", "round", "interval"):
        costs: list[Cost] = [getattr(one, what) for one in measured]
        messages = [cost.messages for cost in costs]
        if spread(messages) > MOST_SPREAD:
            grown.append(f"{what}: {min(messages):.1f} to {max(messages):.1f} messages for each node")
        most = getattr(few, what).bytes * log(many.nodes) / log(few.nodes)
        if many.nodes > few.nodes and getattr(many, what).bytes > most:
            grown.append(
                f"{what}: {getattr(few, what).bytes:.0f} to {getattr(many, what).bytes:.0f} bytes for each node"
            )
    return grown


def _nodes(scaled: Scaled) -> int:
    return scaled.nodes


def spread(costs: Sequence[float]) -> float:
    """Give by what share the largest exceeds the smallest."""
    return max(costs) / min(costs) - 1.0


class _Steady(Chance):
    def __init__(self) -> None:
        super().__init__(0, "random", (), calm=True, keep=())

    def fate(self, node: str) -> Fate:  # noqa: ARG002 - nobody is favoured
        return LATENCY, LATENCY


class _Counter(Network):
    """Counts what it carries; requests wait for those before them."""

    def __init__(self, world: World, store: SimStore) -> None:
        super().__init__(world, store, _Steady())
        self.messages = self.bytes = 0
        self._free_at = 0.0

    def carry(self, node: Node, operation: operations.Operation) -> None:
        self.messages += 1
        self.bytes += FRAME + _request_bytes(operation)
        super().carry(node, operation)

    def _arrive(self, call: Call) -> None:
        self._free_at = max(self._free_at, self.world.time) + SERVICE
        self.world.later(self._free_at - self.world.time, super()._arrive, call)

    def _finish(self, call: Call, result: Any) -> None:
        self.messages += 1
        self.bytes += FRAME + self._answer_bytes(call.operation, result)
        super()._finish(call, result)

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


class _StoreAges(Machine):
    def __post_init__(self) -> None:
        self.place_checks = AGED_BY_THE_STORE
        super().__post_init__()


class _Crowd:
    """Stands for the host of all nodes."""

    def __init__(self, nodes: int) -> None:
        self.settings = HandlerSettings(nodes, nodes, "", "")
        self.world = World()
        self.checker = Checker(self.world, self.settings.last_call_timeout, self.settings.fence_delay)
        self.store = SimStore(self.world, random.Random("ids"), self.checker)
        self.network: Network = _Counter(self.world, self.store)
        self.rules, self.stop_time = Rules(), 0.0
        self.machine: type[Machine] = _StoreAges
        self._count = nodes
        self._nodes: list[Node] = []

    def over(self, node: Node) -> None:
        """Nobody goes."""
        raise Violation("I12", f"{node.name} is over, though nothing goes wrong")

    def failed(self, node: Node, error: Exception) -> None:
        """Nobody fails."""
        raise Violation("I12", f"{node.name} fails to join, though nothing goes wrong: {error}")

    def measure(self) -> Scaled:
        began = time.process_time()
        meeting = self._cost(self._start, self._all_in(1))
        round_ = self._cost(lambda: self._nodes[self._count // 2].work_ends("is over"), self._all_in(2))
        until = self.world.time + _INTERVALS * self.settings.keep_alive_interval
        idle = self._cost(lambda: None, lambda: self.world.time >= until)
        interval = Cost(idle.messages / _INTERVALS, idle.bytes / _INTERVALS, idle.writes, idle.seconds / _INTERVALS)
        return Scaled(self._count, meeting, round_, interval, time.process_time() - began)

    def _start(self) -> None:
        for number in range(self._count):
            self._nodes.append(Node(f"worker-{number:05}.training.example", self, random.Random(number)))

    def _all_in(self, number: int) -> Callable[[], bool]:
        def met() -> bool:
            joined = self.checker.working
            return len(joined) == self._count and all(held.round == number for held in joined.values())

        return met

    def _cost(self, begin: Callable[[], object], done: Callable[[], bool]) -> Cost:
        network, world = self.network, self.world
        assert isinstance(network, _Counter)
        messages, sent, writes, started = network.messages, network.bytes, self.store.writes, world.time
        begin()
        while not done():
            pause = world.time + 0.01
            mark: list[bool] = []
            world.later(pause - world.time, mark.append, True)
            while not mark:
                world.step()
            if world.time > started + _LIMIT:
                raise Violation("I12", f"{self._count} nodes do not meet within {_LIMIT:g} s")
        return Cost(
            (network.messages - messages) / self._count,
            (network.bytes - sent) / self._count,
            self.store.writes - writes,
            world.time - started,
        )
