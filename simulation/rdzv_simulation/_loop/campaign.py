"""Many lives, on several processes, and what they amount to."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from rdzv_simulation._cluster.parts import Parts
from rdzv_simulation._invariants import Violation
from rdzv_simulation._loop.life import Life
from rdzv_simulation._loop.scenario import Scenario
from rdzv_simulation._loop.worker_pool import worker_pool

_SEEDS_AT_ONCE = 4


@dataclass
class Failure:
    """A life that broke an invariant."""

    seed: int
    number: str
    text: str
    where: str


@dataclass
class Tally:
    """What was simulated so far."""

    seeds: int = 0
    rounds: int = 0
    phases: int = 0
    steps: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    interrupted: bool = False
    faults: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    """What was to be kept and did not go wrong."""

    def add(self, other: Tally) -> None:
        """Add what another process simulated."""
        self.seeds += other.seeds
        self.rounds += other.rounds
        self.phases += other.phases
        self.steps += other.steps
        self.cpu_seconds += other.cpu_seconds
        self.faults.update(other.faults)
        self.failures += other.failures
        self.absent += other.absent


def live(scenario: Scenario, seeds: range, parts: Parts | None = None) -> Tally:
    """Simulate the scenario with each of the seeds, here and now."""
    tally, began = Tally(), time.process_time()
    for seed in seeds:
        life = Life(scenario.of(seed), parts)
        try:
            life.live()
        except Violation as violation:
            tally.failures.append(Failure(seed, violation.number, violation.text, violation.where))
        tally.absent += life.scenario.never_came_up(life.decisions)
        result = life.result()
        tally.add(Tally(1, result.rounds, result.phases, result.steps, faults=Counter(result.faults)))
    tally.cpu_seconds = time.process_time() - began
    return tally


def campaign(
    scenario: Scenario,
    seeds: int,
    jobs: int,
    most_failures: int,
    shown: Callable[[Tally], None],
    parts: Parts | None = None,
) -> Tally:
    """Simulate so many seeds, from the scenario's on, on `jobs` processes; `shown` is called as it goes on.

    After `most_failures` no further seed is begun. An interrupt (Ctrl-C) ends it with what was counted so far.
    """
    tally, began = Tally(), time.perf_counter()
    try:
        for part in _parts(scenario, seeds, jobs, parts, lambda: len(tally.failures) >= most_failures):
            tally.add(part)
            tally.seconds = time.perf_counter() - began
            shown(tally)
    except KeyboardInterrupt:
        tally.interrupted = True
    tally.failures.sort(key=lambda failure: failure.seed)
    return tally


def _parts(
    scenario: Scenario, seeds: int, jobs: int, parts: Parts | None, enough: Callable[[], bool]
) -> Iterator[Tally]:
    last = scenario.seed + seeds
    blocks = (range(at, min(at + _SEEDS_AT_ONCE, last)) for at in range(scenario.seed, last, _SEEDS_AT_ONCE))
    if jobs == 1:
        for block in blocks:
            if enough():
                return
            yield live(scenario, block, parts)
        return
    with worker_pool(jobs) as pool:
        under_way: set[Future[Any]] = {pool.submit(live, scenario, block, parts) for block in islice(blocks, 2 * jobs)}
        while under_way:
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
            if not enough():
                under_way |= {pool.submit(live, scenario, block, parts) for block in islice(blocks, len(done))}
