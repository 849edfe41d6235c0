"""What `rdzv certify` shows on stderr while it runs: a live table on a terminal that can be drawn on, else lines."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING

import click

from rdzv_conformance.contract.labels import clauses_of
from rdzv_conformance.reports._html import MARKS
from rdzv_conformance.reports._text import plain
from rdzv_conformance.reports.terminal import STYLES
from rdzv_conformance.run.progress import Progress, words
from rdzv_conformance.run.results import ClauseResult, Status, TestResult, by_clause
from rdzv_conformance.suite import Suite

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, Group, RenderResult
    from rich.text import Text

SHOWN_FINDINGS = 6
UNDRAWABLE = ("", "dumb", "unknown")
"""Kinds of terminals on which rich draws nothing live."""


@contextmanager
def showing_progress(title: str) -> Iterator[Progress]:
    """Show the progress of one run on stderr, as a table or as lines."""
    if not sys.stderr.isatty() or os.environ.get("TERM", "").lower() in UNDRAWABLE:
        yield ProgressLines()
        return
    from rich.console import Console
    from rich.live import Live

    table = ProgressTable(title)
    # It is taken away at the end: the verdict and all clauses are printed then.
    with Live(table, console=Console(stderr=True), refresh_per_second=8, transient=True):
        yield table


class ProgressLines(Progress):
    """One line for each test as it begins."""

    def began(self, test: str, done: int, total: int) -> None:
        """Print which test runs."""
        click.echo(f"[{done + 1}/{total}] {words(test)}", err=True)


class ProgressTable(Progress):
    """A row for each section of the contract, a mark for each clause; redrawn several times a second."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._began = time.monotonic()
        self._profiles: tuple[str, ...] = ()
        self._left: dict[str, int] = {}
        self._results: list[TestResult] = []
        self._running = "starting the suite"
        self._done, self._total = 0, 0

    def planned(self, profiles: Sequence[str], tests: Sequence[str]) -> None:
        """Begin with every clause that has a test."""
        self._profiles, self._total = tuple(profiles), len(tests)
        for test in tests:
            for clause in clauses_of(getattr(Suite, test)):
                self._left[clause] = self._left.get(clause, 0) + 1

    def began(self, test: str, done: int, total: int) -> None:
        """Show which test runs."""
        self._running, self._done, self._total = words(test), done, total

    def ended(self, result: TestResult) -> None:
        """Show what was found."""
        for clause in result.clauses:
            self._left[clause] = self._left.get(clause, 1) - 1
        self._results = [*self._results, result]

    def measuring(self) -> None:
        """Show what takes a while yet."""
        self._running, self._done = "timing calls", self._total

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the present state."""
        yield self._drawn()

    def _drawn(self) -> Group:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        clauses = by_clause(self._results, self._profiles)
        table = Table.grid(padding=(0, 2))
        for style in ("bold", "", ""):
            table.add_column(style=style)
        last = ""
        for (profile, section), members in groupby(clauses, key=lambda each: (each.profile, each.clause.split("-")[1])):
            line = Text()
            for each in members:
                line.append(*self._mark(each))
            table.add_row("" if profile == last else profile, section, line)
            last = profile
        seconds = time.monotonic() - self._began
        head = Text(f"{self._title}  {self._done}/{self._total}  {seconds:.0f} s  ", style="bold")
        head.append(self._running, style="not bold dim")
        return Group(head, table, *(self._findings()))

    def _mark(self, each: ClauseResult) -> tuple[str, str]:
        number = each.clause.rpartition("-")[2]
        if each.status not in ("fail", "error") and self._left.get(each.clause, 0) > 0:
            started = f"RDZV-{each.clause.split('-')[1]}-{number} "
            return f"{number}… ", "bold" if self._running.startswith(started) else "dim"
        status: Status = each.status
        return f"{number}{MARKS[status]} ", STYLES[status]

    def _findings(self) -> list[Text]:
        from rich.text import Text

        found = [each for each in self._results if each.status in ("fail", "error")]
        lines = [
            Text(
                f"{' '.join(each.clauses)} {each.status}: {plain(each.message)}",
                style=STYLES[each.status],
                no_wrap=True,
                overflow="ellipsis",
            )
            for each in found[-SHOWN_FINDINGS:]
        ]
        earlier = len(found) - len(lines)
        return [*([Text(f"{earlier} findings before these", style="dim")] if earlier else []), *lines]
