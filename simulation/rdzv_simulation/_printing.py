"""What `rdzv simulate` shows: its progress, the count, failures, and the kill matrix."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from rdzv_simulation._campaign import Failure, Tally
from rdzv_simulation._check import INVARIANTS
from rdzv_simulation._plan import FAULT_TEXTS
from rdzv_simulation._scale import Scaled
from rdzv_simulation._shrink import Shrunk
from rdzv_simulation.mutants import MUTANTS, Kill

_LINES = 60
_SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[Any], None]]:
    """Give what is called as it goes on, with a `Tally` or with the number done.

    It is a bar on a terminal, elsewhere a line on stderr from time to time.
    """
    if not sys.stderr.isatty():
        yield _Lines(title, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[more]}"), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total, more="")

        def shown(done: Tally | int) -> None:
            if isinstance(done, Tally):
                bar.update(task, completed=done.seeds, more=_so_far(done))
            else:
                bar.update(task, completed=done)

        yield shown


class _Lines:
    """Says how far it is, not too often."""

    def __init__(self, title: str, total: int) -> None:
        self._title, self._total = title, total
        self._said_at = time.monotonic()

    def __call__(self, done: Tally | int) -> None:
        if time.monotonic() >= self._said_at + _SECONDS_BETWEEN_LINES:
            self._said_at = time.monotonic()
            so_far = f"{done.seeds:,}" if isinstance(done, Tally) else f"{done:,}"
            more = f", {_so_far(done)}" if isinstance(done, Tally) else ""
            click.echo(f"{self._title}: {so_far} of {self._total:,}{more}", err=True)


def _so_far(done: Tally) -> str:
    speed = done.rounds / max(done.seconds, 1e-9)
    return f"{done.rounds:,} rounds, {speed:,.0f}/s, {len(done.failures)} violations"


def show_tally(tally: Tally, faults: Sequence[str]) -> None:
    """Print the count; of the `faults` that might have struck, also which did not."""
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
        click.echo("interrupted: what was begun and not finished is not counted")
    click.echo(f"{len(tally.failures)} violations" if tally.failures else "no violation: every invariant held")


def show_failure(failure: Failure, small: Shrunk, repeat: str, whole: str) -> None:
    """Print a failure, as small as it was made."""
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
    click.echo("messages and bytes for each node, both ways; the head is written so often; simulated seconds")
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
        how = f"seed {kill.seed}, {kill.seeds} seeds, {kill.rounds} rounds"
        click.echo(f"    {kill.violation.number} ({how}): {kill.violation.text}")
    caught = sum(kill is not None for kill in kills.values())
    if interrupted:
        click.echo(f"interrupted: {len(MUTANTS) - len(kills)} were not hunted to the end, and are not counted")
    click.echo(f"{caught} of {len(kills)} broken protocols caught")
