"""Which processes are there: they start, are killed, end of their own accord, and are started again."""

from __future__ import annotations

import random
from collections.abc import Container

from rdzv_simulation._cluster.environment import Environment
from rdzv_simulation._cluster.node import Node
from rdzv_simulation._cluster.store import SimStore


class Processes:
    """The nodes by name, those that have ended too until another process of that name is started.

    Nodes named in `without` never start. Pauses are drawn from `rng`.
    """

    def __init__(
        self,
        seed: int,
        environment: Environment,
        store: SimStore,
        rng: random.Random,
        node: type[Node],
        without: Container[str],
    ) -> None:
        self.nodes: dict[str, Node] = {}
        self.starting: set[str] = set()
        self._seed, self._environment, self._timeline, self._store = seed, environment, environment.timeline, store
        self._rng, self._node, self._without = rng, node, without
        self._started: dict[str, int] = {}
        self._node_ids: dict[str, str] = {}

    @property
    def staying(self) -> list[Node]:
        """All who are alive and are not about to go."""
        return [node for node in self.nodes.values() if node.stays]

    def count(self) -> int:
        """Return how many nodes are there; of processes with one node id only one counts."""
        return len({node.node_id for node in self.staying})

    def has_twins(self) -> bool:
        """Whether two processes have one node id."""
        staying = self.staying
        return len({node.node_id for node in staying}) < len(staying)

    def at_work(self) -> dict[str, tuple[str, int]]:
        """Return in which epoch and round each node works; a process that stands still is in its round, too."""
        return {node.name: node.round for node in self.staying if node.round is not None and not node.stopping}

    def is_free(self, name: str) -> bool:
        """Whether no process of that name is alive."""
        return name not in self.nodes or not self.nodes[name].alive

    def has_worked(self, node_id: str) -> bool:
        """Whether a node has worked in some epoch, as far as its process can know."""
        return any(node.machine.worked_in for node in self.nodes.values() if node.node_id == node_id)

    def start(self, name: str, delay: float) -> None:
        """Start a process of that name, in place of one that has ended."""
        if name in self.starting or name in self._without or not self.is_free(name):
            return
        self.starting.add(name)
        self._timeline.later(delay, self._start, name)

    def start_twin(self, name: str, former: Node) -> None:
        """Start a process with the node id of another one."""
        if name not in self._without:
            self._node_ids[name] = former.node_id
            self.start(name, 0.0)

    def crash(self, node: Node) -> None:
        """Kill a node, whose connection the store may miss at once, and start it again."""
        if node.alive:
            member = node.member
            node.crash()
            self._timeline.later(self._rng.uniform(0.0, 2.0), self._store.end_early, member)
            self.start(node.name, self._rng.uniform(0.2, 3.0))

    def _start(self, name: str) -> None:
        self.starting.discard(name)
        count = self._started[name] = self._started.get(name, 0) + 1
        self._timeline.note(f"{name} starts")
        own = random.Random(f"{self._seed}.{name}.{count}")
        self.nodes[name] = self._node(name, self._environment, own, self._over, self._node_ids.get(name, ""))

    def _over(self, node: Node) -> None:
        """Start one of the cluster's own again that has ended of its own accord."""
        self._environment.observer.stops_work(node.name)
        if node.name.startswith("host"):
            self.start(node.name, self._rng.uniform(0.2, 3.0))
