"""A run in words: the same for `rdzv status`, `rdzv explain`, `rdzv status --watch` and `rdzv runs`. Pure."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterable

from rdzv_core.inspection import Failure, RunStatus

NOT_THERE = "check --run-id and --endpoint; it appears when its first node joins"
"""What to do if there is no such run."""

FORMS = ("forming", "last call")
"""The phases in which the next round is made: it is the one after the last, the first being round 1."""

_STANDS = {
    "idle": "idle after round {0}",
    "forming": "forming round {1}",
    "last call": "last call for round {1}",
    "working": "working in round {0}",
    "changing": "changing from round {0}",
    "finished": "finished after round {0}",
    "closed": "closed after round {0}",
}

_ORDER = ("working", "starting", "joining", "stopping", "standing by", "silent", "lost", "left", "done")

_MOST_OF_STDERR = 10


def standing(status: RunStatus) -> str:
    """Return how a run that exists stands: its phase, and the round that the phase is about."""
    return f"{_STANDS[status.phase].format(status.round, status.round + 1)} of epoch {status.epoch}"


def counts(states: Iterable[str], missing: int) -> str:
    """Return how many nodes are in which state: `2 working, 1 standing by`."""
    found = Counter(states)
    known = [f"{found[state]} {state}" for state in _ORDER if found[state]]
    return ", ".join([*known, *([f"{missing} missing"] if missing else [])]) or "no nodes"


def wanted(status: RunStatus) -> str:
    """Return how many nodes a round has."""
    least, most = status.min_nodes, status.max_nodes
    if least == most:
        return f"{least} node{'' if least == 1 else 's'}"
    return f"{least} to {most} nodes"


def failure_text(failure: Failure) -> str:
    """Return in one line which node failed, how and when."""
    name = failure.node_id if failure.node_id == failure.addr else f"{failure.node_id} ({failure.addr})"
    when = time.strftime("%H:%M:%S on %Y-%m-%d", time.localtime(failure.time))
    return f"node {plain(name)}, rank {failure.rank} in round {failure.round}, {outcome(failure.status)} at {when}"


def plain(text: str) -> str:
    """Return text that stays in its line: control characters become spaces."""
    return "".join(each if each.isprintable() else " " for each in text)


def stderr_lines(failure: Failure) -> list[str]:
    """Return the last lines of what a command that failed wrote, as they may be shown on a terminal."""
    return [f"| {plain(line)}" for line in failure.stderr.splitlines()[-_MOST_OF_STDERR:]]


def failure_lines(status: RunStatus) -> list[str]:
    """Return what failed first, in the last round that had a failure and in the run, and how its stderr ended."""
    last, first = status.last_failure, status.first_failure
    if last is None:
        return []
    again = "; another round formed since" if status.round > last.round else ""
    lines = [f"first failure: {failure_text(last)}{again}"]
    lines += [f"  {line}" for line in stderr_lines(last)]
    if first is not None and first.round != last.round:
        lines.append(f"the run's first failure: {failure_text(first)}; another round formed since")
    return lines


def outcome(status: int) -> str:
    """Return how a command ended: `status` is its exit status, or minus the number of its signal."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


def place(backend: str, endpoint: str) -> str:
    """Return which store it is, as it was given: the endpoint may be empty."""
    return f"{backend} at {endpoint!r}"


def span(seconds: float) -> str:
    """Return a time in units that people use: 7 s, 3 min 20 s, 2 h 5 min."""
    whole = int(max(0.0, seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(count: float) -> str:
    """Return a number of bytes in units that people use: 512 bytes, 31 MiB, 1.5 GiB."""
    if count < 1024:
        return f"{count:.0f} bytes"
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        count /= 1024
        if count < 1024 or unit == "TiB":
            break
    return f"{count:.0f} {unit}" if count >= 10 else f"{count:.1f} {unit}"
