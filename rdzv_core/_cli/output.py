"""How a command shows things: pretty on a terminal, plain in a pipe, JSON for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table


def show_json(value: Any) -> None:
    """Print `value` as JSON."""
    click.echo(json.dumps(value, indent=2))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """Print a table: drawn on a terminal; in a pipe one line per row, in aligned columns, nothing cut off."""
    from rich.console import Console

    cells = [tuple(" ".join(cell.split()) for cell in row) for row in rows]
    if sys.stdout.isatty():
        Console().print(_drawn(columns, cells, title))
        return
    if title:
        click.echo(title)
    plain = Console(width=_WIDEST, color_system=None, legacy_windows=False)
    with plain.capture() as captured:
        plain.print(_aligned(columns, cells))
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def _drawn(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title, style="bold") if title else None, title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # Text, not markup: what a plugin or a store says is shown as it is.
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    return table


def _aligned(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for column in columns:
        table.add_column(Text(column), no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


_WIDEST = 1_000_000
"""Columns of a line in a pipe: as many as it takes."""

_STYLES = {
    "ok": "green",
    "working": "green",
    "starting": "cyan",
    "joining": "cyan",
    "stopping": "yellow",
    "silent": "yellow",
    "standing by": "dim",
    "done": "dim",
    "left": "dim",
    "lost": "red",
    "failed": "red",
    "broken": "bold red",
}
