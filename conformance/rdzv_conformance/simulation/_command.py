"""The command `rdzv simulate`: what it is asked, and which part of the simulator answers."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Any

import click

from rdzv_conformance.simulation._campaign import Failure, Tally, campaign
from rdzv_conformance.simulation._check import INVARIANTS, Violation
from rdzv_conformance.simulation._plan import FAULT_TEXTS, FAULTS
from rdzv_conformance.simulation._printing import progress, show_failure, show_hunt, show_scaled, show_tally
from rdzv_conformance.simulation._run import Run
from rdzv_conformance.simulation._scale import constant, measure
from rdzv_conformance.simulation._scenario import STRATEGIES, Scenario
from rdzv_conformance.simulation._shrink import Shrunk, shrink
from rdzv_conformance.simulation.mutants import MUTANTS, Kill, hunt_all

HELD, BROKEN, COULD_NOT_RUN, INTERRUPTED = 0, 1, 2, 130

_ROUNDS_A_SEED = 100
_MOST_FAILURES = 5
_SHRUNK = 2
_SEEDS_FOR_A_MUTANT = 600


class _CouldNotRun(click.ClickException):
    exit_code = COULD_NOT_RUN


def _names(known: tuple[str, ...]) -> Any:
    def read(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
        if value is None:
            return None
        names = tuple(name.strip() for name in value.split(",") if name.strip())
        unknown = [name for name in names if name not in known]
        if unknown:
            raise click.BadParameter(f"no fault {unknown[0]!r}; there are {', '.join(known)}", ctx, param)
        return names

    return read


def _numbers(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    names = [name.strip() for name in value.split(",") if name.strip()]
    if not names or not all(name.isdecimal() and int(name) > 1 for name in names):
        raise click.BadParameter(f"{value!r} is no list of numbers above 1, as 100,1000", ctx, param)
    return tuple(int(name) for name in names)


@click.command()
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="The first seed; 0 if not given.")
@click.option(
    "--seeds", type=click.IntRange(1), metavar="N", help="How many seeds; without it one for each 100 rounds."
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=2000,
    metavar="N",
    help="How many rounds, over all seeds; each seed lives through an equal share. 2000 if not given.",
)
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="How many processes; one for each processor.")
@click.option("--faults", metavar="A,B,…", callback=_names(FAULTS), help=f"Only these faults, of {', '.join(FAULTS)}.")
@click.option(
    "--strategy",
    type=click.Choice(STRATEGIES),
    default="mixed",
    help="How messages are ordered: by chance, by an adversary (pct), or the one or the other by the seed.",
)
@click.option("--trace", is_flag=True, help="Print the story of the first seed, with every message.")
@click.option("--json", "as_json", is_flag=True, help="Print the count as JSON, for machines.")
@click.option("--mutants", "matrix", is_flag=True, help="Hunt every broken protocol: the simulator's kill matrix.")
@click.option("--mutant", type=click.Choice(list(MUTANTS)), metavar="NAME", help="Simulate this broken protocol.")
@click.option("--messages", is_flag=True, help="Count messages and bytes for each node instead; nothing goes wrong.")
@click.option(
    "--nodes",
    metavar="N,N,…",
    callback=_numbers,
    default="100,1000,10000",
    help="With --messages: for how many nodes. 100,1000,10000 if not given.",
)
@click.option(
    "--keep", metavar="A,B,…|nothing", help="Repeat: let only these things go wrong, as a failure names them."
)
@click.option("--without", metavar="A,B,…", help="Repeat: leave these nodes out.")
@click.option("--calm", is_flag=True, help="Repeat: let every message that is not disturbed take 2 ms.")
@click.pass_context
def simulate(
    ctx: click.Context,
    seed: int,
    seeds: int | None,
    rounds: int,
    jobs: int | None,
    faults: tuple[str, ...] | None,
    strategy: str,
    trace: bool,
    as_json: bool,
    matrix: bool,
    mutant: str | None,
    messages: bool,
    nodes: tuple[int, ...],
    keep: str | None,
    without: str | None,
    calm: bool,
) -> None:
    """Prove the protocol on a simulated network, clock and store: the handler's real state machine, seed by seed.

    Every seed is a life of storms, in which nodes, messages and the store fail, and of peaces, in which everybody must
    meet. After every step the protocol's invariants are checked. A failure is made as small as possible and printed
    with the command that repeats it.

    The exit status is 0 if every invariant held (with --mutants: if each was caught; with --messages: if nothing grows
    with the number of nodes), 1 if not, 2 for a bad option.
    """
    processes = jobs or os.cpu_count() or 1
    if messages:
        ctx.exit(_count(nodes, as_json))
    if matrix:
        ctx.exit(_hunt(seed, processes, as_json))
    count = seeds or max(1, rounds // _ROUNDS_A_SEED)
    hunted = MUTANTS[mutant].faults if mutant else FAULTS
    scenario = Scenario(
        seed=seed,
        rounds=-(-rounds // count),
        faults=faults if faults is not None else hunted,
        strategy=strategy,
        keep=None if keep is None else frozenset(_listed(keep)),
        without=frozenset(_listed(without or "")),
        calm=calm,
    )
    if trace:
        ctx.exit(_tell(scenario, mutant))
    with progress(f"simulating {rounds:,} rounds over {count:,} seeds", count) as shown:
        tally = campaign(scenario, count, processes, _MOST_FAILURES, shown, mutant or "")
    ctx.exit(_report(scenario, tally, mutant or "", as_json))


def _report(scenario: Scenario, tally: Tally, mutant: str, as_json: bool) -> int:
    shrunk = [_shrunk(scenario, failure, mutant) for failure in tally.failures[:_SHRUNK]]
    if as_json:
        click.echo(json.dumps(_as_dict(scenario, tally, shrunk, mutant), indent=2))
    else:
        for failure in tally.failures[_SHRUNK:]:
            click.echo(f"also: {failure.where}{failure.number}: {failure.text}")
        for failure, small in zip(tally.failures, shrunk, strict=False):
            show_failure(failure, small, command(small.scenario, mutant), command(_of(scenario, failure), mutant))
        show_tally(tally)
    if tally.failures:
        return BROKEN
    return INTERRUPTED if tally.interrupted else HELD


def _shrunk(scenario: Scenario, failure: Failure, mutant: str) -> Shrunk:
    small = shrink(_of(scenario, failure), MUTANTS[mutant].parts if mutant else None)
    if small is None:
        raise _CouldNotRun(f"seed {failure.seed} failed, and not when it was repeated: please report this")
    return small


def _of(scenario: Scenario, failure: Failure) -> Scenario:
    return scenario.of(failure.seed)


def _tell(scenario: Scenario, mutant: str | None) -> int:
    run = Run(scenario, MUTANTS[mutant].parts if mutant else None, tracing=2)
    try:
        lines: tuple[str, ...] = tuple(run.run().trace)
        end = f"{run.checker.rounds} rounds, {run.world.steps} steps: every invariant held"
    except Violation as violation:
        lines, end = violation.trace, f"{violation.where}{violation.number}: {violation.text}"
        click.echo("\n".join([*lines, end, f"  ({violation.number}: {INVARIANTS[violation.number]})"]))
        return BROKEN
    click.echo("\n".join([*lines, end]))
    return HELD


def _hunt(seed: int, processes: int, as_json: bool) -> int:
    with progress(f"hunting {len(MUTANTS)} broken protocols", len(MUTANTS)) as shown:
        kills = hunt_all(_SEEDS_FOR_A_MUTANT, seed, processes, shown)
    if as_json:
        click.echo(json.dumps([_kill_as_dict(name, kill) for name, kill in kills.items()], indent=2))
    else:
        show_hunt(kills)
    return HELD if all(kills.values()) else BROKEN


def _count(nodes: tuple[int, ...], as_json: bool) -> int:
    with progress(f"counting the messages of {sum(nodes):,} nodes", len(nodes)) as shown:
        measured = []
        for number in nodes:
            measured.append(measure(number))
            shown(len(measured))
    grown = constant(measured)
    if as_json:
        click.echo(json.dumps({"measured": [asdict(one) for one in measured], "grows": grown}, indent=2))
    else:
        show_scaled(measured, grown)
    return BROKEN if grown else HELD


def command(scenario: Scenario, mutant: str) -> str:
    """Give the command that repeats a scenario."""
    words = [f"rdzv simulate --seed {scenario.seed} --seeds 1 --rounds {scenario.rounds}"]
    words += [f"--mutant {mutant}"] if mutant else []
    hunted = MUTANTS[mutant].faults if mutant else FAULTS
    words += [f"--faults {','.join(scenario.faults)}"] if scenario.faults != hunted else []
    words += [f"--strategy {scenario.strategy}"] if scenario.strategy != "mixed" else []
    words += [f"--keep {','.join(sorted(scenario.keep)) or 'nothing'}"] if scenario.keep is not None else []
    words += [f"--without {','.join(sorted(scenario.without))}"] if scenario.without else []
    words += ["--calm"] if scenario.calm else []
    return " ".join([*words, "--trace"])


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip() not in ("", "nothing")]


def _as_dict(scenario: Scenario, tally: Tally, shrunk: list[Shrunk], mutant: str) -> dict[str, Any]:
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
                "repeat": command(_of(scenario, failure), mutant),
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


def _kill_as_dict(name: str, kill: Kill | None) -> dict[str, Any]:
    described = {"mutant": name, "stands_for": MUTANTS[name].stands_for, "caught": kill is not None}
    if kill is None:
        return described
    found = {"invariant": kill.violation.number, "text": kill.violation.text}
    return {**described, **found, "seed": kill.seed, "seeds": kill.seeds, "rounds": kill.rounds}
