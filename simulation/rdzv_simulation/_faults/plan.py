"""What goes wrong when: drawn from the seed alone, phase by phase, before anything runs."""

from __future__ import annotations

import random
from collections.abc import Container
from dataclasses import dataclass

from rdzv_simulation._faults.kinds import WEIGHTS, WORK_OVER

_WITH_AN_END = 0.12
"""In which part of all storms the first thing is that the job is done."""

_WITH_ABSENCES = 0.25
_FIRST_ABSENCE = 50
"""After which part of all phases the store alone is struck; the numbers of these faults begin past those of a storm."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, `at` seconds into the storm of its phase; `who` and `amount` are shares, 0 to 1."""

    name: str
    at: float
    kind: str
    who: float
    amount: float


@dataclass(frozen=True)
class Storm:
    """A phase's bad time."""

    seconds: float
    faults: tuple[Fault, ...]


def storm(seed: int, phase: int, faults: Container[str], keep: Container[str] | None) -> Storm:
    """Plan the storm of a phase: job failures about once a second, and four to nine other faults.

    In some phases the job that was at work in the peace before is done at once. Where jobs may not fail, their work
    may be over about every two seconds instead. With `keep`, only what it names is left.
    """
    own = random.Random(f"{seed}.{phase}.storm")
    seconds = own.uniform(6.0, 14.0)
    kinds = [kind for kind in WEIGHTS if kind in faults]
    weights = [WEIGHTS[kind] for kind in kinds]
    drawn = own.choices(kinds, weights, k=own.randint(4, 9)) if kinds else []
    finishes = "done" in faults and own.random() < _WITH_AN_END
    drawn += ["fail"] * int(seconds / 0.8) if "fail" in faults else [WORK_OVER] * int(seconds / 2.0)
    planned = [
        Fault(f"{phase}.{kind}.{number}", own.uniform(0.2, seconds), kind, own.random(), own.random())
        for number, kind in enumerate(drawn)
    ]
    if finishes:
        name = f"{phase}.done.{len(planned)}"
        planned.append(Fault(name, own.uniform(0.0, 0.4), "done", own.random(), own.random()))
    left = [fault for fault in planned if keep is None or fault.name in keep]
    left.sort(key=lambda fault: fault.at)
    return Storm(seconds, tuple(left))


def absences(seed: int, phase: int, faults: Container[str], keep: Container[str] | None) -> tuple[Fault, ...]:
    """Plan what the store alone goes through after the peace of a phase: nothing mostly, else one to three restarts.

    `at` counts from when the store was last back: longer than until everybody has renewed its lease. With `keep`, only
    what it names is left.
    """
    own = random.Random(f"{seed}.{phase}.absences")
    if "store_restart" not in faults or own.random() > _WITH_ABSENCES:
        return ()
    planned = [
        Fault(
            f"{phase}.store_restart.{_FIRST_ABSENCE + number}",
            own.uniform(2.0, 4.0),
            "store_restart",
            own.random(),
            own.random(),
        )
        for number in range(own.randint(1, 3))
    ]
    return tuple(fault for fault in planned if keep is None or fault.name in keep)
