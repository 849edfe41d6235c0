"""How many seeds it takes until the simulator notices a mutant, and what it notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from dataclasses import dataclass

from rdzv_simulation._invariants import Violation
from rdzv_simulation._loop.life import Life
from rdzv_simulation._loop.scenario import Scenario
from rdzv_simulation._loop.worker_pool import worker_pool
from rdzv_simulation.mutants._catalogue import MUTANTS, Mutant

ROUNDS = 30
"""Rounds of each seed's life while a mutant is hunted."""


@dataclass(frozen=True)
class Kill:
    """How a mutant was caught: by which invariant, with which seed, and after how many seeds and rounds."""

    mutant: str
    seed: int
    seeds: int
    rounds: int
    violation: Violation


class HuntInterrupted(KeyboardInterrupt):
    """A hunt was interrupted (Ctrl-C): `kills` has the mutants that were hunted to the end."""

    def __init__(self, kills: dict[str, Kill | None]) -> None:
        self.kills = kills
        super().__init__()


def hunt(mutant: Mutant, seeds: int, first: int = 0, rounds: int = ROUNDS) -> Kill | None:
    """Simulate a mutant on seed after seed until it is caught; None if it survives them all.

    `first` counts from the mutant's own first seed.
    """
    lived, first = 0, first + mutant.first_seed
    for number in range(seeds):
        life = Life(Scenario(first + number, rounds, mutant.faults), mutant.parts)
        try:
            lived += life.live().rounds
        except Violation as violation:
            return Kill(mutant.name, first + number, number + 1, lived + life.result().rounds, violation)
    return None


def hunt_all(seeds: int, first: int, jobs: int, shown: Callable[[int], None]) -> dict[str, Kill | None]:
    """Hunt every mutant on `jobs` processes; `shown` is called with how many are done. Raises `HuntInterrupted`."""
    found: dict[str, Kill | None] = {}
    try:
        for name, kill in _hunted(seeds, first, jobs):
            found[name] = kill
            shown(len(found))
    except KeyboardInterrupt:
        raise HuntInterrupted(_in_order(found)) from None
    return _in_order(found)


def _hunted(seeds: int, first: int, jobs: int) -> Iterator[tuple[str, Kill | None]]:
    if jobs == 1:
        for name in MUTANTS:
            yield name, _hunt_named(name, seeds, first)
        return
    with worker_pool(jobs) as pool:
        hunts = {pool.submit(_hunt_named, name, seeds, first): name for name in MUTANTS}
        for future in as_completed(hunts):
            yield hunts[future], future.result()


def _in_order(found: dict[str, Kill | None]) -> dict[str, Kill | None]:
    return {name: found[name] for name in MUTANTS if name in found}


def _hunt_named(name: str, seeds: int, first: int) -> Kill | None:
    return hunt(MUTANTS[name], seeds, first)
