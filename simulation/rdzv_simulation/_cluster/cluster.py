"""A cluster: nodes with clocks and a job, the network, the store, and what an operator does."""

from __future__ import annotations

import random
from collections.abc import Container

from rdzv_core._handler.head import decode_head, encode_head, reset_head
from rdzv_simulation._cluster.environment import Environment
from rdzv_simulation._cluster.job import Job
from rdzv_simulation._cluster.node import Node
from rdzv_simulation._cluster.observer import Observer
from rdzv_simulation._cluster.outages import Outages
from rdzv_simulation._cluster.parts import Parts
from rdzv_simulation._cluster.processes import Processes
from rdzv_simulation._cluster.rng import MessageRng
from rdzv_simulation._cluster.settings import ClusterSettings
from rdzv_simulation._cluster.timeline import Timeline


class Cluster:
    """Everything that is simulated of a seed. Nothing happens in it but what it is told, and what follows from that."""

    def __init__(
        self,
        seed: int,
        settings: ClusterSettings,
        parts: Parts,
        messages: MessageRng,
        without: Container[str] = (),
        tracing: int = 0,
    ) -> None:
        self.settings, self.handler = settings, settings.handler()
        self._rng = random.Random(f"{seed}.world")
        self.timeline = Timeline(tracing)
        self.store = parts.store(self.timeline, random.Random(f"{seed}.ids"))
        self.network = parts.network(self.timeline, self.store, messages)
        self.environment = Environment(
            self.timeline, self.network, self.handler, parts.rules, parts.machine, settings.stop_time
        )
        self.processes = Processes(seed, self.environment, self.store, self._rng, parts.node, without)
        self.job = Job(self.timeline, self.processes, self._rng)
        self.outages = Outages(self.environment, self.store)
        self.peaceful = False
        """Whether nothing may go wrong now."""

    def watched_by(self, observer: Observer) -> None:
        """Report to `observer` from now on; call it before the first node starts."""
        self.store.observer = self.environment.observer = observer

    def start_all(self) -> None:
        """Start all of the cluster's own nodes that are not there."""
        for name in self.settings.hosts:
            self.processes.start(name, self._rng.uniform(0.0, 1.0))

    def calm_down(self) -> None:
        """Let the network and the store work as they should from now on."""
        self.network.links.repair()
        self.network.ambush = self.store.slack = 0.0

    def close(self, node: Node) -> None:
        """Let a node close the run."""
        self.environment.observer.closed_by_hand()
        node.close()

    def reset(self, closed_only: bool) -> None:
        """Do what `rdzv reset` does: begin a new epoch without terms, `closed_only` only if the run is closed."""
        state = self.store.state
        if state is None or self.store.down or (closed_only and not decode_head(state).closed):
            return
        self.timeline.note("an operator resets the run")
        self.environment.observer.reset()
        epoch = f"{self._rng.getrandbits(64):016x}"
        self.store.write(encode_head(reset_head(epoch, state)), self.store.token, reset=True)
