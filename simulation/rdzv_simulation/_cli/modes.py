"""What `rdzv simulate` can be asked for: lives, the trace of one, the kill matrix, or a count of messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import click

from rdzv_simulation._cli.as_json import costs_as_dict, kills_as_list, tally_as_dict
from rdzv_simulation._cli.output import show_failure, show_hunt, show_scaled, show_tally
from rdzv_simulation._cli.progress import progress
from rdzv_simulation._cli.repetition import command
from rdzv_simulation._invariants import INVARIANTS, Violation
from rdzv_simulation._loop.campaign import Failure, Tally, campaign
from rdzv_simulation._loop.life import Life
from rdzv_simulation._loop.scenario import Scenario
from rdzv_simulation._loop.shrink import Shrunk, shrink
from rdzv_simulation._loop.worker_pool import sigterm_interrupts
from rdzv_simulation._scale.costs import grown
from rdzv_simulation._scale.measure import measure
from rdzv_simulation.mutants import MUTANTS, HuntInterrupted, hunt_all

HELD, BROKEN, COULD_NOT_RUN, INTERRUPTED = 0, 1, 2, 130
"""The exit statuses."""

_MOST_FAILURES = 5
_SHRUNK = 2
_SEEDS_FOR_A_MUTANT = 600


class _CouldNotRun(click.ClickException):
    exit_code = COULD_NOT_RUN


def uninterrupted(mode: Callable[[], int]) -> int:
    """Return the exit status of a mode, or of its interruption by Ctrl-C or SIGTERM."""
    try:
        with sigterm_interrupts():
            return mode()
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        return INTERRUPTED


def live(scenario: Scenario, count: int, jobs: int, mutant: str, as_json: bool) -> int:
    """Simulate so many seeds and print what came of it; return the exit status."""
    rounds = scenario.rounds * count
    parts = MUTANTS[mutant].parts if mutant else None
    with progress(f"simulating {rounds:,} rounds over {count:,} seeds", count) as shown:
        tally = campaign(scenario, count, jobs, _MOST_FAILURES, shown, parts)
    _report_absent(tally.absent, bool(tally.failures))
    shrunk = [_shrunk(scenario, failure, mutant) for failure in tally.failures[:_SHRUNK]]
    if as_json:
        click.echo(json.dumps(tally_as_dict(scenario, tally, shrunk, mutant), indent=2))
    else:
        _show(scenario, tally, shrunk, mutant)
    if tally.failures:
        return BROKEN
    return INTERRUPTED if tally.interrupted else HELD


def _show(scenario: Scenario, tally: Tally, shrunk: list[Shrunk], mutant: str) -> None:
    for failure in tally.failures[_SHRUNK:]:
        click.echo(f"also: {failure.where}{failure.number}: {failure.text}")
    for failure, small in zip(tally.failures, shrunk, strict=False):
        whole = command(scenario.of(failure.seed), mutant)
        show_failure(failure, small, command(small.scenario, mutant), whole)
    show_tally(tally, scenario.faults)


def _report_absent(absent: Sequence[str], broken: bool) -> None:
    """Print what of --keep did not go wrong. If nothing was broken either, that proves nothing: it is an error."""
    if not absent:
        return
    names = ", ".join(absent)
    if not broken:
        raise _CouldNotRun(
            f"--keep: no invariant was broken, but this never came up: {names}. So this is not the life that failed: "
            "the command is not the one that was printed, or the protocol has changed since. Repeat the whole life"
        )
    click.echo(f"--keep: this never came up: {names}", err=True)


def _shrunk(scenario: Scenario, failure: Failure, mutant: str) -> Shrunk:
    small = shrink(scenario.of(failure.seed), MUTANTS[mutant].parts if mutant else None)
    if small is None:
        raise _CouldNotRun(f"seed {failure.seed} failed, but not when it was repeated: please report this")
    return small


def trace(scenario: Scenario, mutant: str) -> int:
    """Print the trace of one life, with every message; return the exit status."""
    life = Life(scenario, MUTANTS[mutant].parts if mutant else None, tracing=2)
    broken = None
    try:
        result = life.live()
        lines: Sequence[str] = result.trace
        end = f"{result.rounds} rounds, {result.steps} steps: every invariant held"
    except Violation as violation:
        broken, lines = violation.number, violation.trace
        end = f"{violation.where}{broken}: {violation.text}\n  ({broken}: {INVARIANTS[broken]})"
    click.echo("\n".join(lines))
    _report_absent(scenario.never_came_up(life.decisions), broken is not None)
    click.echo(end)
    return BROKEN if broken else HELD


def hunt(seed: int, jobs: int, as_json: bool) -> int:
    """Print the kill matrix; return the exit status."""
    interrupted = False
    with progress(f"hunting {len(MUTANTS)} broken protocols", len(MUTANTS)) as shown:
        try:
            kills = hunt_all(_SEEDS_FOR_A_MUTANT, seed, jobs, shown)
        except HuntInterrupted as stopped:
            kills, interrupted = stopped.kills, True
    if as_json:
        click.echo(json.dumps(kills_as_list(kills), indent=2))
    else:
        show_hunt(kills, interrupted)
    if not all(kills.values()):
        return BROKEN
    return INTERRUPTED if interrupted else HELD


def count_messages(nodes: tuple[int, ...], as_json: bool) -> int:
    """Print what so many nodes cost; return the exit status."""
    with progress(f"counting the messages of {sum(nodes):,} nodes", len(nodes)) as shown:
        measured = []
        for number in nodes:
            measured.append(measure(number))
            shown(len(measured))
    grows = grown(measured)
    if as_json:
        click.echo(json.dumps(costs_as_dict(measured, grows), indent=2))
    else:
        show_scaled(measured, grows)
    return BROKEN if grows else HELD
