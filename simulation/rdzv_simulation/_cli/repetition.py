"""The command that repeats a life, and whether what such a command names is of that life."""

from __future__ import annotations

import re

from rdzv_simulation._cluster.rng import MessageRng
from rdzv_simulation._cluster.settings import GUESTS, LATE_COMERS, ClusterSettings
from rdzv_simulation._faults.kinds import FAULTS, MESSAGES, WEIGHTS, WORK_OVER
from rdzv_simulation._faults.plan import absences, storm
from rdzv_simulation._loop.scenario import Scenario
from rdzv_simulation.mutants import MUTANTS

NOTHING = "nothing"

_DECISION = re.compile(r"(0|[1-9]\d{0,5})\.([a-z_]+\d*)\.(0|[1-9]\d{0,5})", re.ASCII)


class NotOfThisLifeError(ValueError):
    """What is to be kept or left out is not in the life that is to be repeated. The message names it."""


def command(scenario: Scenario, mutant: str) -> str:
    """Return the command that repeats a scenario."""
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
    """Raise `NotOfThisLifeError` if a node that is left out is not in the life, or if too few are left to meet."""
    settings = scenario.settings()
    for name in sorted(scenario.without):
        if name not in (*settings.hosts, *GUESTS):
            there = ", ".join((*settings.hosts, *GUESTS))
            raise NotOfThisLifeError(f"seed {scenario.seed} has no node {name!r}: it has {there}")
    left = [name for name in settings.hosts if name not in scenario.without]
    late = [name for name in LATE_COMERS if name not in scenario.without and "join" in scenario.faults]
    if scenario.keep is None and len(left) + len(late) < settings.min_nodes:
        raise NotOfThisLifeError(
            f"seed {scenario.seed} needs {settings.min_nodes} nodes for a round, and without "
            f"{', '.join(sorted(scenario.without))} it has {len(left)}: leave out fewer"
        )


def check_keep(scenario: Scenario) -> None:
    """Raise `NotOfThisLifeError` if something that is kept cannot go wrong in the life, whatever the nodes do.

    Only the replay can tell whether it does go wrong: a node may send fewer messages than it did.
    """
    messages = MessageRng(scenario.seed, scenario.settings().strategy, scenario.faults, calm=False, keep=None)
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
                f"{_why(scenario, scenario.settings(), shape[2])}: give the whole command that a failure printed"
            )


def _may_strike(scenario: Scenario, messages: MessageRng, name: str, phase: int, what: str, number: int) -> bool:
    if what in WEIGHTS or what == WORK_OVER:
        planned = storm(scenario.seed, phase, scenario.faults, None).faults
        return any(fault.name == name for fault in (*planned, *absences(scenario.seed, phase, scenario.faults, None)))
    if what == "pct":
        return number in messages.changes(phase)
    return what in (*scenario.settings().hosts, *GUESTS) and messages.disturbs(phase, what, number)


def _why(scenario: Scenario, settings: ClusterSettings, what: str) -> str:
    nodes = (*settings.hosts, *GUESTS)
    if what in WEIGHTS and what not in scenario.faults:
        return f", as {what!r} is not among its --faults"
    if what in (*nodes, *WEIGHTS, "pct", WORK_OVER):
        return ""
    if what in MESSAGES:
        return ", as a disturbed message is called after its node"
    return f", as {what!r} is not a fault, and its nodes are {', '.join(nodes)}"
