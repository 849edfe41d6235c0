"""How far `rdzv simulate` is: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from rdzv_simulation._loop.campaign import Tally

_SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[Any], None]]:
    """Yield a function to call with a `Tally`, or with the number done; it prints a line on stderr from time to time.

    On a terminal that is a bar.
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
    """Prints how far it is, not too often."""

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
