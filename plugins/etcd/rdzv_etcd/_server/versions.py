"""What versions of etcd are known to do wrong."""

from __future__ import annotations

import re
import signal

SOUND_SINCE = {(3, 4): 21, (3, 5): 5}
"""The first release of each series whose single member writes its log before it acknowledges."""


def answers_before_its_log(version: str) -> bool:
    """Whether a single etcd of that version acknowledges a write before its log has it, so that SIGKILL may lose it.

    etcd issue 14370, fixed in 3.4.21 and 3.5.5: https://github.com/etcd-io/etcd/issues/14370. A member of several waits
    for another member's log, so killing one of them loses nothing; killing all at once may.
    """
    series, release = _parsed(version)
    return release < SOUND_SINCE.get(series, 0)


def may_differ_after_a_kill(version: str) -> bool:
    """Whether a member of that version that is killed while it works hard may hold other data than the others for good.

    etcd issue 13766, in 3.5.0 to 3.5.2: https://github.com/etcd-io/etcd/issues/13766.
    """
    series, release = _parsed(version)
    return series == (3, 5) and release < 3


def ending_signal(version: str) -> signal.Signals:
    """Return what ends an etcd of that version at once and keeps what it acknowledged.

    SIGKILL; where that loses writes, SIGTERM, upon which etcd finishes its log and is gone within milliseconds.
    """
    return signal.SIGTERM if answers_before_its_log(version) else signal.SIGKILL


def _parsed(version: str) -> tuple[tuple[int, int], int]:
    """Return the series and the release, (0, 0) and 0 where it has none."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    major, minor, release = map(int, found.groups()) if found else (0, 0, 0)
    return (major, minor), release
