"""The nodes of a frame as lines of a given width: one a node, whatever it is called. Pure, but for rich's `Text`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from rich.cells import cell_len, set_cell_size
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
_LEAST_FOR_COMMON = 3
"""Lines of a table above which one may say what the names have in common."""
_NAMES_LEAST = 40
"""Columns for names and addresses below which a state is said in one word rather than explained."""


def table(rows: Sequence[Row], now: float, width: int, most: int) -> list[Text]:
    """Give at most `most` lines of `width` columns: a header, nodes, and how many more there are.

    Where not all fit, those that are lost come first, then those that are awaited.
    """
    if not rows or most < 1:
        return []
    rows = [replace(row, node=plain(row.node), address=plain(row.address)) for row in rows]
    common = ""
    if most > _LEAST_FOR_COMMON and not _fits(rows, now, width):
        rows, common = _elided(rows)
        most -= bool(common)
    shown = list(rows) if len(rows) < most else _chosen(rows, most - 2)
    lines = _drawn(shown, now, width) if shown else []
    if common:
        lines.insert(0, Text(shorten(common, width), "dim"))
    if len(shown) < len(rows):
        rest = Counter(row.state for row in rows) - Counter(row.state for row in shown)
        lines.append(_rest(rest, "and {} more" if shown else "{}"))
    return lines


def shorten(text: str, width: int) -> str:
    """Give text in at most `width` columns: where it is longer its middle is left out."""
    if cell_len(text) <= width:
        return text
    if width < 2:
        return "…"[:width]
    tail = (width - 1) // 2
    head = set_cell_size(text, width - 1 - tail).rstrip()
    return f"{head}…{set_cell_size(text[::-1], tail)[::-1].lstrip()}"


def _drawn(rows: Sequence[Row], now: float, width: int) -> list[Text]:
    ranks = _column("rank", ["-" if row.rank < 0 else str(row.rank) for row in rows], right=True)
    spans = _column("for", [span(now - row.since) for row in rows], right=True)
    wanted, other = _wanted(rows)
    states = _column("state", [_EXPLAINED.get(row.state, row.state) for row in rows])
    room = _room(width, ranks, states, spans)
    if room < min(wanted + other, _NAMES_LEAST):
        states = _column("state", [row.state for row in rows])
        room = _room(width, ranks, states, spans)
    wide = _share(room, wanted, other)
    names = [_name(row.node, row.leads, wide) for row in rows]
    columns = (
        ranks,
        _column("node", names),
        _column("address", [shorten(row.address, max(room - wide, 1)) for row in rows]),
        states,
        spans,
    )
    styles = ("", *(_STYLES.get(row.state, "") for row in rows))
    lines = []
    for style, (rank, name, address, state, time) in zip(styles, zip(*columns, strict=True), strict=True):
        lines.append(Text.assemble(f"{rank}{_GAP}{name}{_GAP}{address}{_GAP}", (state, style), f"{_GAP}{time}"))
    lines[0].stylize("bold")
    return lines


def _wanted(rows: Sequence[Row]) -> tuple[int, int]:
    """Return the columns that names and addresses would take."""
    names = max(cell_len(row.node) + len(_LEADER) * row.leads for row in rows)
    return names, max(cell_len(row.address) for row in rows)


def _fits(rows: Sequence[Row], now: float, width: int) -> bool:
    """Return whether all names and addresses have room beside states of one word."""
    ranks = _column("rank", [str(row.rank) for row in rows])
    states = _column("state", [row.state for row in rows])
    spans = _column("for", [span(now - row.since) for row in rows])
    return sum(_wanted(rows)) <= _room(width, ranks, states, spans)


def _elided(rows: list[Row]) -> tuple[list[Row], str]:
    """Return the rows without what their names have in common, and a line that says what that is."""
    node, nodes = elide([row.node for row in rows])
    address, addresses = elide([row.address for row in rows])
    cut = [replace(row, node=nodes[place], address=addresses[place]) for place, row in enumerate(rows)]
    if node == address:
        return cut, f"node and address: {node}" if node else ""
    named = [f"{title}: {common}" for title, common in (("node", node), ("address", address)) if common]
    return cut, ", ".join(named)


def _column(title: str, cells: list[str], right: bool = False) -> list[str]:
    width = max(map(cell_len, (title, *cells)))
    padded = [(" " * (width - cell_len(cell)), cell) for cell in (title, *cells)]
    return [pad + cell if right else cell + pad for pad, cell in padded]


def _room(width: int, *columns: list[str]) -> int:
    return width - sum(len(column[0]) for column in columns) - 4 * len(_GAP)


def _share(room: int, one: int, other: int) -> int:
    """Give the columns for `one` of two: all it wants where the other one has enough too, or wants less than half."""
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
