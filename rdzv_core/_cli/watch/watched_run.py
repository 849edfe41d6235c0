"""A run over time: which node is in which state, and since when. Pure: looks and times go in, rows come out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rdzv_core._cli.watch.words import NOT_THERE, counts, failure_text, standing, wanted
from rdzv_core.inspection import RunStatus

SILENT_AFTER = 6.0
"""Seconds without an answer after which the store is said to be silent."""

_OF_ITS_OWN_ACCORD = ("left", "done")


@dataclass(frozen=True)
class Row:
    """One node as it is now: `rank` -1 where it is in no roster; `since` is when this was first seen."""

    rank: int
    node: str
    address: str
    state: str
    since: float
    leads: bool = False


@dataclass(frozen=True)
class Frame:
    """A run at one moment, with its past: times in seconds on one clock; `seen` is when it was last looked at."""

    status: RunStatus
    now: float
    seen: float
    rows: tuple[Row, ...]
    phase_since: float
    last_call_ends: float | None = None
    trouble: str = ""
    trouble_since: float = 0.0

    @property
    def silent(self) -> bool:
        """Whether the store has not answered for so long that what is shown may not be the present."""
        return self.now - self.seen > SILENT_AFTER

    @property
    def clock(self) -> float:
        """The time up to which states are known to have lasted: that of the last look, once it is not the present."""
        return self.seen if self.trouble or self.silent else self.now


class WatchedRun:
    """Takes what was seen, in order, and returns the frames and what changed."""

    def __init__(self) -> None:
        self.frame: Frame | None = None
        self._called: tuple[str, int, float] | None = None

    def see(self, status: RunStatus, now: float) -> list[str]:
        """Take in a look at the run; return a line for everything that changed since the last one."""
        before = self.frame
        old = {} if before is None else {(row.node, row.rank): row for row in before.rows}
        rows = tuple(_kept(row, old) for row in _rows(status, now))
        same_phase = before is not None and _stand(before.status) == _stand(status)
        since = before.phase_since if before is not None and same_phase else now
        self.frame = Frame(status, now, now, rows, since, self._last_call_ends(status, now))
        return _changes(before, self.frame)

    def trouble(self, text: str, now: float) -> list[str]:
        """Take in that the store could not be read: what was seen last stands, but is no longer the present."""
        before = self.frame or Frame(RunStatus("", False, "unknown"), now, now, (), now)
        self.frame = replace(
            before, now=now, trouble=text, trouble_since=before.trouble_since if before.trouble else now
        )
        return [] if before.trouble else [f"the store cannot be read: {text}"]

    def tick(self, now: float) -> list[str]:
        """Take in the time: nothing was seen."""
        before = self.frame
        if before is None:
            return []
        self.frame = replace(before, now=now)
        return ["the store does not answer"] if self.frame.silent and not before.silent else []

    def _last_call_ends(self, status: RunStatus, now: float) -> float | None:
        if status.phase != "last call":
            self._called = None
            return None
        if self._called is None or self._called[:2] != (status.epoch, status.round):
            self._called = (status.epoch, status.round, now)
        return self._called[2] + status.last_call_timeout


def _stand(status: RunStatus) -> tuple[str, int, str, str]:
    return status.epoch, status.round, status.phase, status.pending


def _kept(row: Row, old: dict[tuple[str, int], Row]) -> Row:
    before = old.get((row.node, row.rank))
    if before is None:
        return row
    if row.state in ("lost", "silent") and before.state in _OF_ITS_OWN_ACCORD:
        return before  # it said goodbye; if no node is left to write that down, only a watcher that saw it knows
    return replace(row, since=before.since) if row.state == before.state else row


def _rows(status: RunStatus, now: float) -> list[Row]:
    """Return a row for each node: one that lost its membership and joins again has the rank and place that it had."""
    outside = {each.node_id: each for each in status.waiting}
    rows = []
    for member in status.roster:
        back = None if member.present else outside.pop(member.node_id, None)
        state = member.state if back is None else back.state
        rows.append(Row(member.rank, member.node_id, member.addr, state, now, member.node_id == status.leader))
    for each in outside.values():
        rows.append(Row(-1, each.node_id, each.addr, each.state, now, each.node_id == status.leader))
    return rows


def _changes(before: Frame | None, frame: Frame) -> list[str]:
    status = frame.status
    lines = []
    if before is not None and (before.trouble or before.silent):
        lines.append("the store can be read again")
    if before is None or _stand(before.status) != _stand(status):
        lines.append(summary(frame))
    old = {} if before is None else {row.node: row.state for row in before.rows}
    for row in frame.rows:
        if old.get(row.node) != row.state:
            about = [f"rank {row.rank}"] if row.rank >= 0 else []
            about += [row.address] if row.address != row.node else []
            known = f" ({', '.join(about)})" if about else ""
            lines.append(f"{row.node}{known}: {row.state}")
    failure = status.last_failure
    if failure is not None and (before is None or before.status.last_failure != failure):
        lines.append(f"first failure: {failure_text(failure)}")
    left = old.keys() - {row.node for row in frame.rows}
    return lines + [f"{node}: no longer there" for node in sorted(left)]


def summary(frame: Frame) -> str:
    """Return in one line how the run stands."""
    status = frame.status
    if not status.exists:
        return f"{status.phase}: {NOT_THERE}; waiting" if status.phase == "no such run" else status.phase
    text = f"{standing(status)}: {counts((row.state for row in frame.rows), status.missing)}"
    text += f" ({wanted(status)})" if status.max_nodes else ""
    return text + (f"; a new round is due: {status.pending}" if status.pending and not status.closed else "")
