"""A frame drawn for a terminal: what is wrong and which nodes are missing first, then as many nodes as fit."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from rdzv_core._cli.watch.table import shorten, table
from rdzv_core._cli.watch.watched_run import Frame, summary
from rdzv_core._cli.watch.words import failure_text, plain, span

_PHASES = {
    "working": "green",
    "last call": "yellow",
    "changing": "yellow",
    "forming": "cyan",
    "finished": "dim",
    "closed": "dim",
    "no such run": "yellow",
}
_TABLE_LEAST = 4
"""Lines that reasons leave to the table: a header, two nodes, and how many more there are."""


@dataclass(frozen=True)
class Picture:
    """What to show of a frame of `what`: fitted to the window, in lines, each time it is rendered."""

    frame: Frame
    what: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = options.max_width, options.size.height
        frame = self.frame
        lines = [Text(shorten(plain(self.what), width), "bold")]
        lines += _folded(console, _alarm(frame), width, max(2, height // 3))
        lines += _folded(console, _state(frame), width, height)
        lines += _folded(console, _failure(frame), width, max(2, height // 4))
        lines += _notes(console, frame, width, height - len(lines) - min(_TABLE_LEAST, len(frame.rows) + 1))
        for line in lines[:height]:
            line.no_wrap, line.overflow = True, "ellipsis"
            yield line
        yield from table(frame.rows, frame.clock, width, height - len(lines))


def _alarm(frame: Frame) -> Text:
    if frame.trouble:
        since, seen = span(frame.now - frame.trouble_since), span(frame.now - frame.seen)
        text = f"the store cannot be read, for {since} now; this is the last look, {seen} old: {plain(frame.trouble)}"
    elif frame.silent:
        text = f"the store has not answered for {span(frame.now - frame.seen)}; this is the last look"
    else:
        text = ""
    return Text(text, "bold red")


def _state(frame: Frame) -> Text:
    status = frame.status
    style = _PHASES.get(status.phase, "") if frame.clock == frame.now else "dim"
    text = Text.assemble((plain(summary(frame)), style), f", for {span(frame.clock - frame.phase_since)}")
    if frame.last_call_ends is not None:
        left = frame.last_call_ends - frame.clock
        text.append(f"; the last call ends in {span(left)}" if left > 0 else "; the last call is over", "bold yellow")
    return text


def _failure(frame: Frame) -> Text:
    failure = frame.status.last_failure
    return Text("" if failure is None else plain(f"first failure: {failure_text(failure)}"), "red")


def _notes(console: Console, frame: Frame, width: int, most: int) -> list[Text]:
    """Return the reasons that the table does not show: lost nodes are in it. The last line counts what is cut."""
    if not frame.status.exists:
        return []
    told = [f"{row.node} ({row.address})" for row in frame.rows]
    notes = [note for note in frame.status.reasons if not any(node in note for node in told)]
    lines: list[Text] = []
    for place, note in enumerate(notes):
        more = _folded(console, Text(f"• {plain(note)}"), width, 3)
        if lines and len(lines) + len(more) + (place + 1 < len(notes)) > most:
            return [*lines, Text(f"• and {len(notes) - place} more reason{'s' * (place + 1 < len(notes))}", "dim")]
        lines += more
    return lines


def _folded(console: Console, text: Text, width: int, most: int) -> list[Text]:
    """Return text in lines of `width` columns, the first `most` of them."""
    if not text:
        return []
    lines = list(text.wrap(console, width, overflow="fold"))
    if len(lines) <= most:
        return lines
    lines[most - 1].truncate(width - 1)
    lines[most - 1].append("…")
    return lines[:most]
