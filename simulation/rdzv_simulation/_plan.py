"""What goes wrong when: drawn from the seed alone, phase by phase, before anything runs."""

from __future__ import annotations

import random
from collections.abc import Container
from dataclasses import dataclass

MESSAGES = ("loss", "late")
"""Faults of messages: requests and answers that are lost, or late and so out of order."""

WEIGHTS = {
    "fail": 3.0,
    "crash": 1.0,
    "freeze": 0.8,
    "freeze_leader": 0.8,
    "suspend": 0.4,
    "cut": 1.0,
    "halves": 0.6,
    "mute": 0.6,
    "slow": 0.6,
    "leave": 0.5,
    "done": 0.5,
    "join": 0.6,
    "twin": 0.4,
    "stuck": 0.4,
    "close": 0.4,
    "reset": 0.4,
    "store_down": 0.6,
    "store_restart": 0.9,
    "store_state": 0.5,
    "store_members": 0.5,
    "store_wiped": 0.25,
    "lease_early": 0.8,
    "lease_late": 0.4,
    "drift": 0.4,
    "wall_clock": 0.4,
}
"""The faults that strike at a moment, and how often each is drawn."""

FAULTS = (*MESSAGES, *WEIGHTS)

_WITH_AN_END = 0.12
"""In which part of all storms the first thing is that the job is done."""

_WITH_ABSENCES = 0.25
_FIRST_ABSENCE = 50
"""After which part of all phases the store alone is struck; the numbers of these faults begin past those of a storm."""

WORK_OVER = "over"
"""What is no fault: a job's work is over, and it asks for the next round. So rounds go on where no fault ends one."""

FAULT_TEXTS = {
    "loss": "a request or an answer is lost",
    "late": "a message comes up to 5 s late: out of order, or after its sender gave up",
    "pct": "an adversary puts a node's messages behind those of all others",
    "fail": "a job fails, on one node or on all at once, and asks for the next round",
    "crash": "a node is killed and restarted; a store may notice at once that its connection is gone",
    "freeze": "a process stands still for up to 12 s",
    "freeze_leader": "a leader stands still between reading and writing",
    "suspend": "a machine is suspended for up to 20 s: all its timers are over when it wakes",
    "cut": "a node is cut off from the store",
    "halves": "one half of the nodes is cut off, then the other half",
    "mute": "a node's requests arrive and the answers do not",
    "slow": "answers to a node take up to 1.4 s longer, and then perhaps its link fails",
    "leave": "a node leaves, and perhaps another process comes in its place",
    "done": "a job is done: one node after the other finishes; the last may crash as soon as it has said so",
    "join": "a node comes late",
    "twin": "a process comes with the node id of one that lives; its former self may be killed later",
    "stuck": "a job does not stop for up to 12 s when it is told to; in some lives its node is evicted for that",
    "close": "a node closes the run; an operator resets it: the run id is used again",
    "reset": "an operator resets a run that is open",
    "store_down": "the store stands still",
    "store_restart": "the store is killed and started again with its memory, up to three times in a row",
    "store_state": "the store loses the register alone",
    "store_members": "the store restarts without the memberships",
    "store_wiped": "the store restarts without any memory",
    "lease_early": "the store ends a lease early",
    "lease_late": "the store ends leases up to two ttls late",
    "drift": "a node's clock runs at another rate, within 5 % of every other",
    "wall_clock": "a node's time of day jumps by up to an hour, either way",
}


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
