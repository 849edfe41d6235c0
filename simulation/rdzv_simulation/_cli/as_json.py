"""What `rdzv simulate --json` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rdzv_simulation._cli.repetition import command
from rdzv_simulation._faults.kinds import FAULT_TEXTS
from rdzv_simulation._loop.campaign import Tally
from rdzv_simulation._loop.scenario import Scenario
from rdzv_simulation._loop.shrink import Shrunk
from rdzv_simulation._scale.costs import Scaled
from rdzv_simulation.mutants import MUTANTS, Kill


def tally_as_dict(scenario: Scenario, tally: Tally, shrunk: list[Shrunk], mutant: str) -> dict[str, Any]:
    """Return what was simulated, with its failures."""
    return {
        "first_seed": scenario.seed,
        "seeds": tally.seeds,
        "rounds": tally.rounds,
        "storms": tally.phases,
        "steps": tally.steps,
        "seconds": round(tally.seconds, 3),
        "rounds_per_second": round(tally.rounds / tally.seconds, 1) if tally.seconds else 0.0,
        "strategy": scenario.strategy,
        "faults": {kind: tally.faults[kind] for kind in FAULT_TEXTS},
        "violations": [
            {
                "seed": failure.seed,
                "invariant": failure.number,
                "text": failure.text,
                "repeat": command(scenario.of(failure.seed), mutant),
            }
            for failure in tally.failures
        ],
        "shrunk": [
            {
                "seed": small.scenario.seed,
                "invariant": small.violation.number,
                "text": small.violation.text,
                "repeat": command(small.scenario, mutant),
                "trace": list(small.violation.trace),
            }
            for small in shrunk
        ],
    }


def kills_as_list(kills: Mapping[str, Kill | None]) -> list[dict[str, Any]]:
    """Return the kill matrix."""
    return [_kill_as_dict(name, kill) for name, kill in kills.items()]


def _kill_as_dict(name: str, kill: Kill | None) -> dict[str, Any]:
    described = {"mutant": name, "stands_for": MUTANTS[name].stands_for, "caught": kill is not None}
    if kill is None:
        return described
    found = {"invariant": kill.violation.number, "text": kill.violation.text}
    return {**described, **found, "seed": kill.seed, "seeds": kill.seeds, "rounds": kill.rounds}


def costs_as_dict(measured: Sequence[Scaled], grows: Sequence[str]) -> dict[str, Any]:
    """Return what so many nodes cost, and what of it grows."""
    return {"measured": [asdict(one) for one in measured], "grows": grows}
