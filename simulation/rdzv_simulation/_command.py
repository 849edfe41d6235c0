"""The command `rdzv simulate`: what it is asked, and which part of the simulator answers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import click

from rdzv_simulation._campaign import Failure, Tally, campaign
from rdzv_simulation._check import INVARIANTS, Violation
from rdzv_simulation._options import (
    check_repetition,
    check_together,
    fault_names,
    kept,
    left_out,
    numbers,
)
from rdzv_simulation._plan import FAULT_TEXTS, FAULTS
from rdzv_simulation._printing import progress, show_failure, show_hunt, show_scaled, show_tally
from rdzv_simulation._processes import sigterm_interrupts
from rdzv_simulation._repeat import command, never_came_up
from rdzv_simulation._run import Run
from rdzv_simulation._scale import constant, measure
from rdzv_simulation._scenario import STRATEGIES, Scenario
from rdzv_simulation._shrink import Shrunk, shrink
from rdzv_simulation.mutants import MUTANTS, HuntInterrupted, Kill, hunt_all

HELD, BROKEN, COULD_NOT_RUN, INTERRUPTED = 0, 1, 2, 130

_ROUNDS_A_SEED = 100
_MOST_FAILURES = 5
_SHRUNK = 2
_SEEDS_FOR_A_MUTANT = 600


class _CouldNotRun(click.ClickException):
    exit_code = COULD_NOT_RUN


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
@click.option(
    "--faults",
    metavar="A,B,…",
    callback=fault_names(FAULTS),
    help=f"Only these faults, of {', '.join(FAULTS)}. Where they end no round, the work of one is over now and then.",
)
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
    callback=numbers,
    default="100,1000,10000",
    help="With --messages: for how many nodes. 100,1000,10000 if not given.",
)
@click.option(
    "--keep",
    metavar="A,B,…|nothing",
    callback=kept,
    help="Repeat: let only these things go wrong, as a failure names them.",
)
@click.option("--without", metavar="A,B,…", callback=left_out, help="Repeat: leave these nodes out.")
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
    keep: frozenset[str] | None,
    without: frozenset[str],
    calm: bool,
) -> None:
    """Prove the protocol on a simulated network, clock and store: the handler's real state machine, seed by seed.

    Every seed is a life of storms, in which nodes, messages and the store fail, and of peaces, in which everybody must
    meet. After every step the protocol's invariants are checked. A failure is made as small as possible and printed
    with the command that repeats it.

    The exit status is 0 if every invariant held (with --mutants: if each was caught; with --messages: if nothing grows
    with the number of nodes), 1 if not, 2 for a bad option or a repetition of which something never came up, 130 if it
    was interrupted (Ctrl-C, SIGTERM) and nothing was broken until then.
    """
    check_together(ctx)
    processes = jobs or os.cpu_count() or 1
    if messages:
        ctx.exit(_uninterrupted(lambda: _count(nodes, as_json)))
    if matrix:
        ctx.exit(_uninterrupted(lambda: _hunt(seed, processes, as_json)))
    count = seeds or max(1, rounds // _ROUNDS_A_SEED)
    hunted = MUTANTS[mutant].faults if mutant else FAULTS
    scenario = Scenario(
        seed=seed,
        rounds=-(-rounds // count),
        faults=faults if faults is not None else hunted,
        strategy=strategy,
        keep=keep,
        without=without,
        calm=calm,
    )
    check_repetition(ctx, scenario, 1 if trace else count)
    if trace:
        ctx.exit(_uninterrupted(lambda: _tell(scenario, mutant)))
    ctx.exit(_uninterrupted(lambda: _live(scenario, count, processes, mutant or "", as_json)))


def _uninterrupted(answer: Callable[[], int]) -> int:
    """Give the exit status of the answer, or of its interruption by Ctrl-C or SIGTERM."""
    try:
        with sigterm_interrupts():
            return answer()
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        return INTERRUPTED


def _live(scenario: Scenario, count: int, processes: int, mutant: str, as_json: bool) -> int:
    rounds = scenario.rounds * count
    with progress(f"simulating {rounds:,} rounds over {count:,} seeds", count) as shown:
        tally = campaign(scenario, count, processes, _MOST_FAILURES, shown, mutant)
    _tell_absent(tally.absent, bool(tally.failures))
    return _report(scenario, tally, mutant, as_json)


def _tell_absent(absent: Sequence[str], broken: bool) -> None:
    """Say what of --keep did not go wrong. Where nothing was broken either, that proves nothing: it is an error."""
    if not absent:
        return
    names = ", ".join(absent)
    if not broken:
        raise _CouldNotRun(
            f"--keep: no invariant was broken, but this never came up: {names}. So it is not the life that failed: "
            "the command is not the one that was printed, or the protocol was changed since; repeat the whole life"
        )
    click.echo(f"--keep: this never came up: {names}", err=True)


def _report(scenario: Scenario, tally: Tally, mutant: str, as_json: bool) -> int:
    shrunk = [_shrunk(scenario, failure, mutant) for failure in tally.failures[:_SHRUNK]]
    if as_json:
        click.echo(json.dumps(_as_dict(scenario, tally, shrunk, mutant), indent=2))
    else:
        for failure in tally.failures[_SHRUNK:]:
            click.echo(f"also: {failure.where}{failure.number}: {failure.text}")
        for failure, small in zip(tally.failures, shrunk, strict=False):
            show_failure(failure, small, command(small.scenario, mutant), command(_of(scenario, failure), mutant))
        show_tally(tally, scenario.faults)
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
    broken = None
    try:
        lines: Sequence[str] = run.run().trace
        end = f"{run.checker.rounds} rounds, {run.world.steps} steps: every invariant held"
    except Violation as violation:
        broken, lines = violation.number, violation.trace
        end = f"{violation.where}{broken}: {violation.text}\n  ({broken}: {INVARIANTS[broken]})"
    click.echo("\n".join(lines))
    _tell_absent(never_came_up(scenario, run.decisions), broken is not None)
    click.echo(end)
    return BROKEN if broken else HELD


def _hunt(seed: int, processes: int, as_json: bool) -> int:
    interrupted = False
    with progress(f"hunting {len(MUTANTS)} broken protocols", len(MUTANTS)) as shown:
        try:
            kills = hunt_all(_SEEDS_FOR_A_MUTANT, seed, processes, shown)
        except HuntInterrupted as stopped:
            kills, interrupted = stopped.kills, True
    if as_json:
        click.echo(json.dumps([_kill_as_dict(name, kill) for name, kill in kills.items()], indent=2))
    else:
        show_hunt(kills, interrupted)
    if not all(kills.values()):
        return BROKEN
    return INTERRUPTED if interrupted else HELD


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
