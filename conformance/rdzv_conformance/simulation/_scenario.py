"""What is simulated: everything that is to follow from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from rdzv_conformance.simulation._node import Node
from rdzv_conformance.simulation._plan import FAULTS
from rdzv_conformance.simulation._store import SimStore
from rdzv_core.handler.machine import Machine
from rdzv_core.handler.rules import Rules
from rdzv_core.handler.settings import HandlerSettings

STRATEGIES = ("random", "pct", "mixed")

LATE_COMERS = ("late0", "late1")
"""The nodes that the fault `join` lets come; the others are a life's own."""


@dataclass(frozen=True)
class Parts:
    """What the world is made of; a mutant changes one."""

    rules: Rules = field(default_factory=Rules)
    machine: type[Machine] = Machine
    store: type[SimStore] = SimStore
    node: type[Node] = Node


@dataclass(frozen=True)
class Settled:
    """What follows from a seed before anything happens; times in seconds."""

    nodes: int
    min_nodes: int
    max_nodes: int
    stop_time: float
    fence_delay: float
    strategy: str

    @property
    def hosts(self) -> tuple[str, ...]:
        """The life's own nodes."""
        return tuple(f"host{number}" for number in range(self.nodes))

    @property
    def leases_may_end_early(self) -> bool:
        """Whether the fence delay covers a node that does not learn at once that its lease was ended early."""
        return self.fence_delay >= 1.0 + 0.9 * 3.0 + self.stop_time

    def handler(self) -> HandlerSettings:
        """Give the handler's settings: a keep-alive a second, a lease of three."""
        return HandlerSettings(
            min_nodes=self.min_nodes,
            max_nodes=self.max_nodes,
            node_id="",
            address="",
            join_timeout=40.0,
            last_call_timeout=0.5,
            close_timeout=10.0,
            heartbeat_timeout=1.5,
            keep_alive_interval=1.0,
            fence_delay=self.fence_delay,
        )


@dataclass(frozen=True)
class Scenario:
    """A seed's life of `rounds` rounds.

    `faults` are those that may happen; `strategy` is how messages are ordered (`mixed`: by the seed). The rest is for
    repeating a life in part: with `keep` only the named decisions strike, `without` names nodes that never start, and
    `calm` lets every message that is not disturbed take the same time.
    """

    seed: int
    rounds: int = 100
    faults: tuple[str, ...] = FAULTS
    strategy: str = "mixed"
    keep: frozenset[str] | None = None
    without: frozenset[str] = frozenset()
    calm: bool = False

    def of(self, seed: int) -> Scenario:
        """Give the same with another seed."""
        return replace(self, seed=seed)

    @property
    def last_phase(self) -> float:
        """The phase after which there is nothing left to repeat."""
        if self.keep is None:
            return float("inf")
        return max((_phase(name) for name in self.keep), default=0)

    def has(self, phase: int) -> bool:
        """Whether anything is to happen in a phase."""
        return self.keep is None or any(_phase(name) == phase for name in self.keep)

    def settled(self) -> Settled:
        """Draw what the seed decides at once: how many nodes, how long a job takes to stop, how long a fence is."""
        own = random.Random(f"{self.seed}.scenario")
        nodes = own.choices((2, 3, 4, 5, 6), (1, 3, 4, 2, 1))[0]
        most = max(1, nodes + own.choices((-2, -1, 0, 1), (1, 3, 4, 2))[0])
        least = min(most, nodes, own.choices((1, 2, 3), (2, 4, 1))[0])
        stop_time, fence_delay = own.choice(((0.0, 0.0), (1.0, 1.0), (2.0, 2.0), (0.3, 4.0)))
        drawn = own.choice(("random", "pct"))
        return Settled(nodes, least, most, stop_time, fence_delay, drawn if self.strategy == "mixed" else self.strategy)


def _phase(name: str) -> int:
    return int(name.partition(".")[0])
