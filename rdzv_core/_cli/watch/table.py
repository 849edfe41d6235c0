"""The nodes of a frame as lines of a given width: one a node, whatever it is called. Pure, but for what rich draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from rich.cells import cell_len, set_cell_size
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from rdzv_core._cli.watch.elide import elide
from rdzv_core._cli.watch.watched_run import Row
from rdzv_core._cli.watch.words import plain, span

_STYLES = {
    "working": "green",
    "starting": "cyan",
    "joining": "cyan",
    "stopping": "yellow",
    "silent": "yellow",
    "standing by": "dim",
    "done": "dim",
    "left": "dim",
    "lost": "bold red",
}
_EXPLAINED = {
    "starting": "starting: in the round, and about to say so",
    "joining": "joining the next round",
    "stopping": "stopping its work for the next round",
    "standing by": "standing by: the round is full",
    "silent": "silent: it may still be alive",
    "lost": "lost: its lease has ended",
}
_URGENT = (("lost", "silent"), ("stopping",), ("left", "joining", "starting"))
_LEADER = " (leader)"
_GAP = "  "
_TITLES = ("rank", "node", "address", "state", "for")
_LEAST_FOR_COMMON = 3
"""Lines of a table above which one may say what the names have in common."""
_NAMES_LEAST = 40
"""Columns for names and addresses below which a state is said in one word rather than explained."""


def table(rows: Sequence[Row], now: float, width: int, most: int) -> list[RenderableType]:
    """Return what takes at most `most` lines of `width` columns: a header, nodes, and how many more there are.

    If not all fit, those that are lost come first, then those that are awaited.
    """
    if not rows or most < 1:
        return []
    rows = [replace(row, node=plain(row.node), address=plain(row.address)) for row in rows]
    common = ""
    if most > _LEAST_FOR_COMMON and not _fits(rows, now, width):
        rows, common = _elided(rows)
        most -= bool(common)
    shown = list(rows) if len(rows) < most else _chosen(rows, most - 2)
    parts: list[RenderableType] = [Text(shorten(common, width), "dim")] if common else []
    if shown:
        parts.append(_drawn(shown, now, width))
    if len(shown) < len(rows):
        rest = Counter(row.state for row in rows) - Counter(row.state for row in shown)
        parts.append(_rest(rest, "and {} more" if shown else "{}"))
    return parts


def shorten(text: str, width: int) -> str:
    """Return text in at most `width` columns; of longer text the middle is left out."""
    if cell_len(text) <= width:
        return text
    if width < 2:
        return "…"[:width]
    tail = (width - 1) // 2
    head = set_cell_size(text, width - 1 - tail).rstrip()
    return f"{head}…{set_cell_size(text[::-1], tail)[::-1].lstrip()}"


def _drawn(rows: Sequence[Row], now: float, width: int) -> Table:
    wanted, other = _wanted(rows)
    states = [_EXPLAINED.get(row.state, row.state) for row in rows]
    room = _room(rows, states, now, width)
    if room < min(wanted + other, _NAMES_LEAST):
        states = [row.state for row in rows]
        room = _room(rows, states, now, width)
    wide = _share(room, wanted, other)
    drawn = Table(box=None, padding=(0, len(_GAP), 0, 0), pad_edge=False, header_style="bold")
    for title in _TITLES:
        drawn.add_column(title, justify="right" if title in ("rank", "for") else "left", no_wrap=True)
    for row, state in zip(rows, states, strict=True):
        drawn.add_row(
            _rank(row),
            Text(_name(row.node, row.leads, wide)),
            Text(shorten(row.address, max(room - wide, 1))),
            Text(state, _STYLES.get(row.state, "")),
            span(now - row.since),
        )
    return drawn


def _rank(row: Row) -> str:
    return "-" if row.rank < 0 else str(row.rank)


def _wanted(rows: Sequence[Row]) -> tuple[int, int]:
    """Return the columns that names and addresses would take."""
    names = max(cell_len(row.node) + len(_LEADER) * row.leads for row in rows)
    return names, max(cell_len(row.address) for row in rows)


def _fits(rows: Sequence[Row], now: float, width: int) -> bool:
    """Return whether all names and addresses have room beside states of one word."""
    return sum(_wanted(rows)) <= _room(rows, [row.state for row in rows], now, width)


def _elided(rows: list[Row]) -> tuple[list[Row], str]:
    """Return the rows without what their names have in common, and a line that says what that is."""
    node, nodes = elide([row.node for row in rows])
    address, addresses = elide([row.address for row in rows])
    cut = [replace(row, node=nodes[place], address=addresses[place]) for place, row in enumerate(rows)]
    if node == address:
        return cut, f"node and address: {node}" if node else ""
    named = [f"{title}: {common}" for title, common in (("node", node), ("address", address)) if common]
    return cut, ", ".join(named)


def _room(rows: Sequence[Row], states: Sequence[str], now: float, width: int) -> int:
    """Return the columns that are left for names and addresses beside all else."""
    rank, _, _, state, lasted = _TITLES
    others = (
        [rank, *(_rank(row) for row in rows)],
        [state, *states],
        [lasted, *(span(now - row.since) for row in rows)],
    )
    taken = sum(max(map(cell_len, column)) for column in others)
    return width - taken - (len(_TITLES) - 1) * len(_GAP)


def _share(room: int, one: int, other: int) -> int:
    """Return the columns for `one` of two: all it wants if that leaves enough for the other, or is less than half."""
    if one + other <= room:
        return one
    half = room - room // 2
    return max(1, min(one, max(half, room - other)))


def _name(name: str, leads: bool, width: int) -> str:
    if not leads:
        return shorten(name, width)
    return shorten(name, max(width - len(_LEADER), 1)) + _LEADER


def _chosen(rows: Sequence[Row], most: int) -> list[Row]:
    places = sorted(range(len(rows)), key=lambda place: _urgency(rows[place]))[: max(0, most)]
    return [rows[place] for place in sorted(places)]


def _urgency(row: Row) -> int:
    return next((place for place, states in enumerate(_URGENT) if row.state in states), len(_URGENT))


def _rest(states: Counter[str], counted: str) -> Text:
    count = sum(states.values())
    named = ", ".join(f"{each} {state}" for state, each in states.most_common())
    return Text(f"{counted.format(count)} node{'s' * (count > 1)}: {named}", "dim")
