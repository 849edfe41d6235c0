"""What a run costs each node, from a hundred nodes to ten thousand: messages and bytes, counted on a simulated store.

Nothing goes wrong here. All nodes start within a moment, meet, work, and meet again because one of them asks. The store
answers one request after the other, so that many nodes take longer than few, as they do on a real one. Memberships and
round stores are the store's own.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from rdzv_core._handler.machine import Machine
from rdzv_core._handler.settings import HandlerSettings
from rdzv_core._handler.watcher import AGED_BY_THE_STORE
from rdzv_simulation._checks.checker import Checker
from rdzv_simulation._cluster.cluster import Cluster
from rdzv_simulation._cluster.node import Node
from rdzv_simulation._cluster.parts import Parts
from rdzv_simulation._cluster.settings import ClusterSettings
from rdzv_simulation._invariants import Violation
from rdzv_simulation._scale.costs import Cost, Scaled
from rdzv_simulation._scale.counting_network import CountingNetwork, SteadyRng

_LIMIT = 120.0
_INTERVALS = 6


def measure(nodes: int) -> Scaled:
    """Let so many nodes meet, work, and meet again; raise `Violation` if they do not."""
    return _Crowd(nodes).measure()


class _AgedByTheStore(Machine):
    def __post_init__(self) -> None:
        self.place_checks = AGED_BY_THE_STORE
        super().__post_init__()


class _Strict(Checker):
    def join_failed(self, name: str, member: str, error: Exception) -> None:
        raise Violation("I12", f"{name} ({member[:8]}) fails to join, though nothing goes wrong: {error}")


class _CrowdSettings(ClusterSettings):
    def handler(self) -> HandlerSettings:
        return HandlerSettings(self.nodes, self.nodes, "", "")


class _Crowd:
    def __init__(self, nodes: int) -> None:
        usual = HandlerSettings(nodes, nodes, "", "")
        settings = _CrowdSettings(
            nodes, nodes, nodes, stop_time=0.0, fence_delay=usual.fence_delay, strategy="random", ttl=usual.ttl
        )
        parts = Parts(machine=_AgedByTheStore, network=CountingNetwork)
        self._cluster = Cluster(0, settings, parts, SteadyRng())
        self._cluster.store.random = random.Random("ids")
        self._checker = _Strict(self._cluster)
        self._cluster.watched_by(self._checker)
        self._count = nodes

    def measure(self) -> Scaled:
        began = time.process_time()
        meeting = self._cost(self._start, self._all_in(1))
        round_ = self._cost(self._end_one, self._all_in(2))
        timeline = self._cluster.timeline
        until = timeline.time + _INTERVALS * self._cluster.handler.keep_alive_interval
        idle = self._cost(lambda: None, lambda: timeline.time >= until)
        interval = Cost(idle.messages / _INTERVALS, idle.bytes / _INTERVALS, idle.writes, idle.seconds / _INTERVALS)
        return Scaled(self._count, meeting, round_, interval, time.process_time() - began)

    def _start(self) -> None:
        for number in range(self._count):
            name = _name(number)
            node = Node(name, self._cluster.environment, random.Random(number), _over)
            self._cluster.processes.nodes[name] = node

    def _end_one(self) -> None:
        self._cluster.processes.nodes[_name(self._count // 2)].work_ends("is over")

    def _all_in(self, number: int) -> Callable[[], bool]:
        def met() -> bool:
            working = self._checker.work.working
            return len(working) == self._count and all(held.round == number for held in working.values())

        return met

    def _cost(self, begin: Callable[[], object], done: Callable[[], bool]) -> Cost:
        network, timeline, store = self._cluster.network, self._cluster.timeline, self._cluster.store
        assert isinstance(network, CountingNetwork)
        messages, sent, writes, started = network.messages, network.bytes, store.writes, timeline.time
        begin()
        while not done():
            timeline.run_until(timeline.time + 0.01)
            if timeline.time > started + _LIMIT:
                raise Violation("I12", f"{self._count} nodes do not meet within {_LIMIT:g} s")
        return Cost(
            (network.messages - messages) / self._count,
            (network.bytes - sent) / self._count,
            store.writes - writes,
            timeline.time - started,
        )


def _name(number: int) -> str:
    return f"worker-{number:05}.training.example"


def _over(node: Node) -> None:
    raise Violation("I12", f"{node.name} is over, though nothing goes wrong")
