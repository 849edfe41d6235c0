"""What is simulated: everything that follows from a seed, and which part of it is repeated."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

from rdzv_simulation._cluster.settings import ClusterSettings
from rdzv_simulation._faults.kinds import FAULTS

STRATEGIES = ("random", "pct", "mixed")


@dataclass(frozen=True)
class Scenario:
    """A seed's life of `rounds` rounds.

    `faults` are those that may happen. `strategy` is how messages are ordered; with `mixed` the seed decides. The rest
    is for repeating a part of a life: with `keep` only what it names goes wrong, `without` names nodes that never
    start, and with `calm` every message that is not disturbed takes the same time.
    """

    seed: int
    rounds: int = 100
    faults: tuple[str, ...] = FAULTS
    strategy: str = "mixed"
    keep: frozenset[str] | None = None
    without: frozenset[str] = frozenset()
    calm: bool = False

    def of(self, seed: int) -> Scenario:
        """Return the same with another seed."""
        return replace(self, seed=seed)

    @property
    def last_phase(self) -> float:
        """The phase after which there is nothing left to repeat."""
        if self.keep is None:
            return float("inf")
        return max((phase_of(name) for name in self.keep), default=0)

    def has(self, phase: int) -> bool:
        """Whether anything is to happen in a phase."""
        return self.keep is None or any(phase_of(name) == phase for name in self.keep)

    def never_came_up(self, decisions: Iterable[str]) -> tuple[str, ...]:
        """Return what was to be kept and is not among the `decisions`, which is all that went wrong."""
        return tuple(sorted((self.keep or frozenset()) - set(decisions)))

    def settings(self) -> ClusterSettings:
        """Draw what the seed decides at once: how many nodes, how long a job takes to stop, how long a fence is."""
        own = random.Random(f"{self.seed}.scenario")
        nodes = own.choices((2, 3, 4, 5, 6, 8, 10), (2, 6, 8, 4, 3, 2, 1))[0]
        spares = own.choices((-1, 0, 1, 2, 3, 4), (3, 6, 6, 3, 1, 1))[0]
        most = max(1, nodes - spares)
        least = min(most, nodes, own.choices((1, 2, 3, most), (3, 6, 2, 2))[0])
        stop_time, fence_delay = own.choice(((0.0, 0.0), (1.0, 1.0), (2.0, 2.0), (0.3, 4.0)))
        drawn = own.choice(("random", "pct"))
        return ClusterSettings(
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


def phase_of(name: str) -> int:
    """Return the phase of something that goes wrong, by its name."""
    return int(name.partition(".")[0])
