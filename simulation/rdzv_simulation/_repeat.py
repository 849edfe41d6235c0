"""The command that repeats a life, and whether what such a command names is of that life."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rdzv_simulation._chance import Chance
from rdzv_simulation._plan import FAULTS, MESSAGES, WEIGHTS, WORK_OVER, absences, storm
from rdzv_simulation._scenario import GUESTS, LATE_COMERS, Scenario, Settled
from rdzv_simulation.mutants import MUTANTS

NOTHING = "nothing"

_DECISION = re.compile(r"(0|[1-9]\d{0,5})\.([a-z_]+\d*)\.(0|[1-9]\d{0,5})", re.ASCII)


class NotOfThisLifeError(ValueError):
    """What is to be kept or left out is not in the life that is to be repeated; the message names it."""


def command(scenario: Scenario, mutant: str) -> str:
    """Give the command that repeats a scenario."""
    words = [f"rdzv simulate --seed {scenario.seed} --seeds 1 --rounds {scenario.rounds}"]
    words += [f"--mutant {mutant}"] if mutant else []
    hunted = MUTANTS[mutant].faults if mutant else FAULTS
    words += [f"--faults {','.join(scenario.faults)}"] if scenario.faults != hunted else []
    words += [f"--strategy {scenario.strategy}"] if scenario.strategy != "mixed" else []
    words += [f"--keep {','.join(sorted(scenario.keep)) or NOTHING}"] if scenario.keep is not None else []
    words += [f"--without {','.join(sorted(scenario.without))}"] if scenario.without else []
    words += ["--calm"] if scenario.calm else []
    return " ".join([*words, "--trace"])


def check_without(scenario: Scenario) -> None:
    """Raise `NotOfThisLifeError` if a node that is left out is none of the life's, or if too few are left to meet."""
    settled = scenario.settled()
    for name in sorted(scenario.without):
        if name not in (*settled.hosts, *GUESTS):
            there = ", ".join((*settled.hosts, *GUESTS))
            raise NotOfThisLifeError(f"seed {scenario.seed} has no node {name!r}: it has {there}")
    left = [name for name in settled.hosts if name not in scenario.without]
    late = [name for name in LATE_COMERS if name not in scenario.without and "join" in scenario.faults]
    if scenario.keep is None and len(left) + len(late) < settled.min_nodes:
        raise NotOfThisLifeError(
            f"seed {scenario.seed} needs {settled.min_nodes} nodes for a round, and without "
            f"{', '.join(sorted(scenario.without))} it has {len(left)}: leave out fewer"
        )


def check_keep(scenario: Scenario) -> None:
    """Raise `NotOfThisLifeError` if something that is kept cannot go wrong in the life, whatever the nodes do.

    Whether it does go wrong, only the replay can tell: a node may send fewer messages than it did.
    """
    messages = Chance(scenario.seed, scenario.settled().strategy, scenario.faults, calm=False, keep=None)
    for name in sorted(scenario.keep or ()):
        shape = _DECISION.fullmatch(name)
        if shape is None:
            raise NotOfThisLifeError(
                f"{name!r} is not written as a failure names what goes wrong: PHASE.FAULT.NUMBER as 3.crash.1, or "
                f"PHASE.NODE.NUMBER as 3.host0.17; or {NOTHING!r} alone"
            )
        if not _may_strike(scenario, messages, name, int(shape[1]), shape[2], int(shape[3])):
            raise NotOfThisLifeError(
                f"nothing that could go wrong in seed {scenario.seed} is called {name!r}"
                f"{_why(scenario, scenario.settled(), shape[2])}: give the whole command that a failure printed"
            )


def never_came_up(scenario: Scenario, struck: Iterable[str]) -> tuple[str, ...]:
    """Give what was to be kept and did not go wrong."""
    return tuple(sorted((scenario.keep or frozenset()) - set(struck)))


def _may_strike(scenario: Scenario, messages: Chance, name: str, phase: int, what: str, number: int) -> bool:
    if what in WEIGHTS or what == WORK_OVER:
        planned = storm(scenario.seed, phase, scenario.faults, None).faults
        return any(fault.name == name for fault in (*planned, *absences(scenario.seed, phase, scenario.faults, None)))
    if what == "pct":
        return number in messages.changes(phase)
    return what in (*scenario.settled().hosts, *GUESTS) and messages.disturbs(phase, what, number)


def _why(scenario: Scenario, settled: Settled, what: str) -> str:
    nodes = (*settled.hosts, *GUESTS)
    if what in WEIGHTS and what not in scenario.faults:
        return f", as {what!r} is not among its --faults"
    if what in (*nodes, *WEIGHTS, "pct", WORK_OVER):
        return ""
    if what in MESSAGES:
        return ", as a disturbed message is called after its node"
    return f", as {what!r} is no fault, and its nodes are {', '.join(nodes)}"
