"""A run over time: who is in which state, and since when. Pure: what was seen goes in with the time, rows come out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rdzv_core.cli.watch.words import FORMS, NOT_THERE, standing
from rdzv_core.inspection import RosterMember, RunStatus

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

    @property
    def missing(self) -> int:
        """How many nodes the next round lacks of its minimum; 0 while a round is at work or none is wanted."""
        status = self.status
        if status.phase not in (*FORMS, "idle"):
            return 0
        here = sum(row.state in ("asks", "waits", "returns", "working", "stopping") for row in self.rows)
        return max(0, status.min_nodes - here)


class History:
    """Takes what was seen, in order, and gives the frames and what changed."""

    def __init__(self) -> None:
        self.frame: Frame | None = None
        self._called: tuple[str, int, float] | None = None

    def see(self, status: RunStatus, now: float) -> list[str]:
        """Take in a look at the run; gives a line for everything that changed since the last one."""
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
        return [] if before.trouble else [f"the store can not be read: {text}"]

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
    if row.state in ("lost", "gone") and before.state in _OF_ITS_OWN_ACCORD:
        return before  # it said goodbye; where nobody is left to write that down, only who saw it knows
    return replace(row, since=before.since) if row.state == before.state else row


def _rows(status: RunStatus, now: float) -> list[Row]:
    seated = {member.node_id for member in status.roster}
    asking = {waiting.node_id for waiting in status.waiting}
    rows = [
        Row(member.rank, member.node_id, member.addr, _state(member, status, asking), now, _leads(member, status))
        for member in status.roster
    ]
    room = status.max_nodes - sum(member.present for member in status.roster)
    for place, waiting in enumerate(each for each in status.waiting if each.node_id not in seated):
        state = "waits" if place < room else "spare"
        rows.append(Row(-1, waiting.node_id, waiting.addr, state, now, waiting.node_id == status.leader))
    return rows


def _leads(member: RosterMember, status: RunStatus) -> bool:
    return member.node_id == status.leader


def _state(member: RosterMember, status: RunStatus, asking: set[str]) -> str:
    if not member.present:
        return "returns" if member.node_id in asking else member.went or "gone"
    if not member.announced:
        return "asks"
    return "stopping" if status.pending else "working"


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
            rank = f"rank {row.rank}, " if row.rank >= 0 else ""
            lines.append(f"{row.node} ({rank}{row.address}): {row.state}")
    left = old.keys() - {row.node for row in frame.rows}
    return lines + [f"{node}: no longer there" for node in sorted(left)]


def summary(frame: Frame) -> str:
    """Say in one line how the run stands."""
    status = frame.status
    if not status.exists:
        return f"{status.phase}: {NOT_THERE}; waiting" if status.phase == "no such run" else status.phase
    present = sum(row.state not in ("lost", "left", "done", "gone", "spare") for row in frame.rows)
    spares = sum(row.state == "spare" for row in frame.rows)
    text = f"{standing(status)}: {present} of {status.min_nodes}"
    text += f" to {status.max_nodes} nodes" if status.max_nodes != status.min_nodes else " nodes"
    text += f" and {spares} spare" if spares else ""
    if status.pending:
        text += f"; a new round is due: {status.pending}"
    return text + (f"; {frame.missing} missing" if frame.missing else "")
