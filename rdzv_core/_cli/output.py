"""How a command shows things: pretty on a terminal, plain in a pipe, JSON for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click


def show_json(value: Any) -> None:
    """Print `value` as JSON."""
    click.echo(json.dumps(value, indent=2))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """Print a table: drawn on a terminal; in a pipe one line per row, in aligned columns, nothing cut off."""
    rows = [tuple(" ".join(cell.split()) for cell in row) for row in rows]
    if sys.stdout.isatty():
        _draw(columns, rows, title)
        return
    if title:
        click.echo(title)
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _draw(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title, style="bold") if title else None, title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # Text, not markup: what a plugin or a store says is shown as it is.
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    Console().print(table)


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
