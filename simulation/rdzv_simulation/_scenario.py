"""What is simulated: everything that is to follow from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from rdzv_core._handler.machine import Machine
from rdzv_core._handler.rules import Rules
from rdzv_core._handler.settings import HandlerSettings
from rdzv_simulation._node import Node
from rdzv_simulation._plan import FAULTS
from rdzv_simulation._store import SimStore

STRATEGIES = ("random", "pct", "mixed")

LATE_COMERS = ("late0", "late1")
"""The nodes that the fault `join` lets come; the others are a life's own."""

TWINS = ("twin0", "twin1")
"""The processes that the fault `twin` lets come, each with the node id of one that lives."""

GUESTS = (*LATE_COMERS, *TWINS)

_INTERVAL = 1.0
_RATE = 1.0245
"""How many seconds a node's clock counts in one at most."""

_MESSAGES_TAKE = 0.2
"""In seconds: what a request and its answer take in a peace, and hardly ever more."""


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
    ttl: float = 3.0
    heartbeat_timeout: float = 1.5
    join_timeout: float = 40.0
    evict_after: float | None = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """The life's own nodes."""
        return tuple(f"host{number}" for number in range(self.nodes))

    @property
    def leases_may_end_early(self) -> bool:
        """Whether the fence delay covers a node that does not learn at once that its lease was ended early."""
        return self.fence_delay >= _INTERVAL + 0.9 * self.ttl + self.stop_time

    def covered(self, silent: bool) -> float:
        """For how long the store may be away, in seconds, so that every lease of a node in touch with it covers that.

        The last keep-alive that succeeded was sent up to an interval before. Where the store refuses, the next one that
        can succeed is sent a backoff after it is back, a third of an interval at most; where it is `silent`, as soon as
        the one under way is given up.
        """
        left = 0.9 * self.ttl - _INTERVAL
        covered = left // self.heartbeat_timeout * self.heartbeat_timeout if silent else left - _INTERVAL / 3
        return covered / _RATE - _MESSAGES_TAKE

    def handler(self) -> HandlerSettings:
        """Give the handler's settings: a keep-alive a second, a lease of three to six."""
        return HandlerSettings(
            min_nodes=self.min_nodes,
            max_nodes=self.max_nodes,
            node_id="",
            address="",
            join_timeout=self.join_timeout,
            last_call_timeout=0.5,
            close_timeout=10.0,
            heartbeat_timeout=self.heartbeat_timeout,
            keep_alive_interval=_INTERVAL,
            keep_alive_max_attempt=round(self.ttl / _INTERVAL),
            fence_delay=self.fence_delay,
            evict_after=self.evict_after,
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
        nodes = own.choices((2, 3, 4, 5, 6, 8, 10), (2, 6, 8, 4, 3, 2, 1))[0]
        spares = own.choices((-1, 0, 1, 2, 3, 4), (3, 6, 6, 3, 1, 1))[0]
        most = max(1, nodes - spares)
        least = min(most, nodes, own.choices((1, 2, 3, most), (3, 6, 2, 2))[0])
        stop_time, fence_delay = own.choice(((0.0, 0.0), (1.0, 1.0), (2.0, 2.0), (0.3, 4.0)))
        drawn = own.choice(("random", "pct"))
        return Settled(
            nodes,
            least,
            most,
            stop_time,
            fence_delay,
            drawn if self.strategy == "mixed" else self.strategy,
            ttl=own.choices((3.0, 6.0), (4, 1))[0],
            heartbeat_timeout=own.choice((1.0, 1.5)),
            join_timeout=own.choices((40.0, 12.0), (2, 1))[0],
            evict_after=own.choices((None, fence_delay + 0.5, fence_delay + 3.0), (6, 1, 1))[0],
        )


def _phase(name: str) -> int:
    return int(name.partition(".")[0])
