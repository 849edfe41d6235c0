"""A frame drawn for a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rdzv_core.cli.watch.history import Frame, Row, summary

_STYLES = {
    "working": "green",
    "asks": "cyan",
    "waits": "cyan",
    "returns": "cyan",
    "stopping": "yellow",
    "spare": "dim",
    "done": "dim",
    "left": "dim",
    "gone": "red",
    "lost": "bold red",
}
_EXPLAINED = {
    "working": "works",
    "asks": "asks for the next round",
    "waits": "waits to be let in",
    "returns": "lost its lease, and asks again",
    "stopping": "has still to stop its work",
    "spare": "stands by: the round is full",
    "done": "is done",
    "left": "has left",
    "gone": "is not there",
    "lost": "is lost: its lease has ended",
}
_PHASES = {"working": "green", "last call": "yellow", "forming": "cyan", "closed": "dim", "no such run": "dim"}
_FRAME_LINES = 12


def draw(frame: Frame, where: str, height: int) -> RenderableType:
    """Give what to show in `height` lines: with more nodes than that, those at work are only counted."""
    parts: list[RenderableType] = [_title(frame, where), _state(frame)]
    rows = _chosen(frame.rows, max(3, height - _FRAME_LINES))
    if rows:
        parts.append(_table(rows, frame.now))
    if len(rows) < len(frame.rows):
        parts.append(Text(f"and {len(frame.rows) - len(rows)} more nodes", "dim"))
    parts += [Text(f"• {line}") for line in _notes(frame)]
    if frame.trouble:
        ago = span(frame.now - frame.trouble_since)
        parts.append(
            Text(f"the store can not be read, for {ago} now; this is the last look: {frame.trouble}", "bold red")
        )
    elif frame.silent:
        ago = span(frame.now - frame.seen)
        parts.append(Text(f"the store has not answered for {ago}; this is the last look", "bold red"))
    return Group(*parts)


def span(seconds: float) -> str:
    """Give a time as somebody would say it: 7 s, 3 min 20 s, 2 h 5 min."""
    whole = int(max(0.0, seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _title(frame: Frame, where: str) -> Text:
    return Text.assemble((f"run {frame.status.run_id!r}", "bold"), (f" on {where}", "dim"))


def _state(frame: Frame) -> Text:
    status = frame.status
    text = Text.assemble(
        (summary(frame), _PHASES.get(status.phase, "")), f", for {span(frame.now - frame.phase_since)}"
    )
    if frame.last_call_ends is not None:
        left = frame.last_call_ends - frame.now
        text.append(f"; the last call ends in {span(left)}" if left > 0 else "; the last call is over", "bold yellow")
    return text


def _table(rows: list[Row], now: float) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("rank", "node", "address", "state", "for"):
        table.add_column(column, overflow="fold", justify="right" if column in ("rank", "for") else "left")
    for row in rows:
        style = _STYLES.get(row.state, "")
        name = Text(row.node)
        if row.leads:
            name.append(" (leader)", "dim")
        # Text, not markup: what a node calls itself is shown as it is.
        state = Text(_EXPLAINED.get(row.state, row.state), style)
        table.add_row("-" if row.rank < 0 else str(row.rank), name, Text(row.address), state, span(now - row.since))
    return table


def _chosen(rows: tuple[Row, ...], most: int) -> list[Row]:
    if len(rows) <= most:
        return list(rows)
    troubled = [row for row in rows if row.troubled][:most]
    calm = [row for row in rows if not row.troubled][: most - len(troubled)]
    return sorted([*troubled, *calm], key=lambda row: (row.rank < 0, row.rank))


def _notes(frame: Frame) -> list[str]:
    """Give what the reasons say beyond the table: who is lost stands there already."""
    return [reason for reason in frame.status.reasons if not any(row.node in reason for row in frame.rows)]
