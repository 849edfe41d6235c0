"""What `rdzv simulate` prints: the count, failures, costs, and the kill matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from rdzv_simulation._faults.kinds import FAULT_TEXTS
from rdzv_simulation._invariants import INVARIANTS
from rdzv_simulation._loop.campaign import Failure, Tally
from rdzv_simulation._loop.shrink import Shrunk
from rdzv_simulation._scale.costs import Scaled
from rdzv_simulation.mutants import MUTANTS, Kill

_LINES = 60


def show_tally(tally: Tally, faults: Sequence[str]) -> None:
    """Print the count, and which of the `faults` that might have struck did not."""
    click.echo("faults that struck:")
    for kind, text in FAULT_TEXTS.items():
        if not tally.faults[kind]:
            continue
        click.echo(f"  {kind:14} {tally.faults[kind]:>12,}  {text}")
    if never := [kind for kind in faults if not tally.faults[kind]]:
        click.echo(f"faults that did not strike: {', '.join(never)}")
    speed = tally.rounds / tally.seconds if tally.seconds else 0.0
    click.echo(
        f"{tally.rounds:,} rounds over {tally.seeds:,} seeds in {tally.phases:,} storms, {tally.steps:,} steps, "
        f"{sum(tally.faults.values()):,} faults"
    )
    click.echo(f"{tally.seconds:,.1f} s, {speed:,.0f} rounds/s ({tally.cpu_seconds:,.1f} s of processor time)")
    if tally.interrupted:
        click.echo("interrupted: lives that had begun are not counted")
    click.echo(_number(len(tally.failures), "violation") if tally.failures else "no violation: every invariant held")


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def show_failure(failure: Failure, small: Shrunk, repeat: str, whole: str) -> None:
    """Print a failure, as small as it could be made."""
    click.echo(f"{failure.where}{failure.number}: {failure.text}")
    click.echo(f"  {failure.number}: {INVARIANTS[failure.number]}")
    click.echo(f"  shrunk from {small.before} things that go wrong to {small.after}, in {small.replays} replays:")
    lines = small.violation.trace
    if len(lines) > _LINES:
        click.echo(f"  … {len(lines) - _LINES} lines before")
    for line in lines[-_LINES:]:
        click.echo(f"  {line}")
    click.echo(f"  {small.violation.where}{small.violation.number}: {small.violation.text}")
    click.echo(f"  repeat the small one:  {repeat}")
    click.echo(f"  repeat the whole one:  {whole}")
    click.echo("")


def show_scaled(measured: Sequence[Scaled], grown: Sequence[str]) -> None:
    """Print what so many nodes cost."""
    click.echo("messages and bytes per node, both ways; how often the head is written; simulated seconds")
    click.echo(f"{'nodes':>7}  {'first meeting':^31}  {'a further round':^31}  {'a keep-alive interval':^21}")
    for one in measured:
        costs = "  ".join(
            f"{cost.messages:6.2f} {cost.bytes:8,.0f} B {cost.writes:3}x {cost.seconds:6.2f} s"
            for cost in (one.meeting, one.round)
        )
        click.echo(f"{one.nodes:>7,}  {costs}  {one.interval.messages:6.2f} {one.interval.bytes:8,.0f} B")
    for text in grown:
        click.echo(f"grows with the number of nodes: {text}")
    if not grown:
        click.echo("messages are constant within 10 %, bytes grow at most as the logarithm")


def show_hunt(kills: Mapping[str, Kill | None], interrupted: bool = False) -> None:
    """Print the kill matrix."""
    for name, kill in kills.items():
        click.echo(f"{name}: {MUTANTS[name].stands_for}")
        if kill is None:
            click.echo("    SURVIVED")
            continue
        how = f"seed {kill.seed}, {_number(kill.seeds, 'seed')}, {_number(kill.rounds, 'round')}"
        click.echo(f"    {kill.violation.number} ({how}): {kill.violation.text}")
    caught = sum(kill is not None for kill in kills.values())
    if interrupted:
        click.echo(f"interrupted: {len(MUTANTS) - len(kills)} were not hunted to the end, and are not counted")
    click.echo(f"{caught} of {len(kills)} broken protocols caught")
