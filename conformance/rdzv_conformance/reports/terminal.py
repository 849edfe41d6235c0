"""Reports on a terminal, and as plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from rdzv_conformance.reports import matrix_rows
from rdzv_conformance.reports._causes import causes, repeated
from rdzv_conformance.reports._text import lines, plain
from rdzv_conformance.run.results import ClauseResult, Report, Status, count

if TYPE_CHECKING:
    from rich.table import Table

STYLES: dict[Status, str] = {
    "pass": "green",
    "fail": "bold red",
    "error": "bold magenta",
    "untested": "yellow",
    "unsupported": "dim",
}

WIDEST = 1_000_000
"""Columns of a line that is never folded: what reads it is not a terminal."""


def show_report(report: Report) -> None:
    """Print every clause, what was tested, and the verdict, which is the last line.

    A cause that several clauses have is told of the first, and once more, with all of them, behind the last.
    """
    found = causes(report.clauses)
    known = repeated(found)
    if sys.stdout.isatty():
        _draw(_clauses(report, known))
        for each in report.clauses:
            if len(lines(each.message)) > 1 and each.clause not in known:
                click.echo(f"{each.clause}: {_first(each)}")
                _show_drawing(each)
    else:
        rows = aligned([(each.clause, each.status, _remark(each, known)) for each in report.clauses])
        for line, each in zip(rows, report.clauses, strict=True):
            click.echo(line)
            if each.clause not in known:
                _show_drawing(each)
    for cause in found:
        click.echo(f"{cause.told()}: {_first(cause.clauses[0])}")
    unclaimed = [each for each in report.capabilities if each.found and not each.claimed]
    for capability in unclaimed:
        click.echo(f"not claimed, but there: {capability.name} ({capability.remark})")
    click.echo(f"again: {plain(report.command)}")
    counts = ", ".join(f"{number} {status}" for status, number in count(report.clauses).items() if number)
    of = f"{report.subject.distribution} {report.subject.version}".strip()
    where = plain(repr(report.subject.endpoint))
    click.echo(f"{report.subject.backend}{f' ({of})' if of else ''} at {where}: {counts}")
    _verdict(report)


def show_matrix(reports: Sequence[Report]) -> None:
    """Print what several backends were found to be, side by side, and their verdicts."""
    columns, rows = matrix_rows(reports)
    if sys.stdout.isatty():
        _draw(_matrix(columns, rows))
    else:
        for line in aligned([columns, *rows]):
            click.echo(line)
    for report in reports:
        known = repeated(causes(report.clauses))
        for each in (*report.of("fail"), *report.of("error")):
            click.echo(f"{report.subject.backend}: {each.clause} {each.status}: {_remark(each, known)}")
            if each.clause not in known:
                _show_drawing(each)
    for report in reports:
        _verdict(report, f"{report.subject.backend}: ")


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a line for each row, its cells in columns as wide as they need to be. No cell may have a line break."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    for row in rows:
        # Text, not markup: what a backend says is shown as it is.
        table.add_row(*(Text(cell, no_wrap=True) for cell in row))
    console = Console(width=WIDEST, color_system=None)
    with console.capture() as drawn:
        console.print(table)
    return [line.rstrip() for line in drawn.get().split("\n")[:-1]]


def _first(each: ClauseResult) -> str:
    return plain(lines(each.message)[0])


def _remark(each: ClauseResult, known: Mapping[str, str]) -> str:
    return f"the same cause as {known[each.clause]}" if each.clause in known else _first(each)


def _show_drawing(each: ClauseResult) -> None:
    """Print what a finding draws below its first line: the calls that show it, say."""
    for line in lines(each.message)[1:]:
        click.echo(f"    {line}")


def _verdict(report: Report, before: str = "") -> None:
    colour = {"fg": "green" if report.certified else "red", "bold": True} if sys.stdout.isatty() else {}
    click.echo(click.style(f"{before}{report.verdict}", **colour))  # type: ignore[arg-type]


def _draw(table: Table) -> None:
    from rich.console import Console

    Console().print(table)


def _clauses(report: Report, known: Mapping[str, str]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for column in ("clause", "status", "what it says, or what was found"):
        table.add_column(column, overflow="fold")
    for each in report.clauses:
        # Text, not markup: what a backend says is shown as it is.
        remark = Text(_remark(each, known) or each.text)
        table.add_row(each.clause, Text(each.status, style=STYLES[each.status]), remark)
    return table


def _matrix(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for first, *cells in rows:
        table.add_row(first, *(Text(cell, style=_style(cell)) for cell in cells))
    return table


def _style(cell: str) -> str:
    styles = {"yes": "green", "NO": "bold red", "-": "dim", "untested": "yellow", "there,": "yellow"}
    return styles.get(cell.partition(" ")[0], "")
