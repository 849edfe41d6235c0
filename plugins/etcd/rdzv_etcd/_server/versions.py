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
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if found is None:
        return False
    major, minor, release = map(int, found.groups())
    return release < SOUND_SINCE.get((major, minor), 0)


def ending_signal(version: str) -> signal.Signals:
    """Return what ends an etcd of that version at once and keeps what it acknowledged.

    SIGKILL; where that loses writes, SIGTERM, upon which etcd finishes its log and is gone within milliseconds.
    """
    return signal.SIGTERM if answers_before_its_log(version) else signal.SIGKILL
