"""How long to sleep between two looks for a change."""

# ruff: noqa: PTH116, PTH120 - plain system calls, on plain strings

from __future__ import annotations

import os
import time
from types import TracebackType

from rdzv_core.backoff import Backoff
from rdzv_file._mounts import is_local
from rdzv_file._notify import Alarm

_SHORTEST_NAP, _LONGEST_NAP = 0.001, 0.25
_FIRST_WITH_ALARM, _LONGEST_WITH_ALARM = 0.1, 2.5


class Waiting:
    """The naps of one who waits for a change of a file: from 1 ms growing to 250 ms, each a little shorter at random.

    On a local file system a change also ends a nap; so the second one has 100 ms there, and they grow to 2.5 s. Before
    each look comes `ready`: so what changes after the look ends the nap.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._naps = Backoff(_SHORTEST_NAP, _LONGEST_NAP, factor=1.5, jitter=0.25)
        self._nap = 0.0
        self._alarm: Alarm | None = None
        self._is_set = False

    def __enter__(self) -> Waiting:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._alarm is not None:
            self._alarm.close()

    def ready(self) -> None:
        """Be told of what changes from now on, where that is worth its while."""
        if not self._nap or self._path is None:
            return  # most waits end with the first look or the next
        if self._alarm is None and _is_on_local(self._path):
            self._alarm = Alarm(self._path)
        self._is_set = self._alarm is not None and self._alarm.set()
        self._naps.longest = _LONGEST_WITH_ALARM if self._is_set else _LONGEST_NAP

    def nap(self, at_most: float) -> None:
        """Sleep until it is time for the next look, at most so many seconds."""
        self._nap = self._naps.next(at_least=_FIRST_WITH_ALARM if self._is_set else 0.0)
        seconds = max(0.0, min(self._nap, at_most))
        if self._alarm is not None and self._is_set:
            self._alarm.sleep(seconds)
        else:
            time.sleep(seconds)


def _is_on_local(path: str) -> bool:
    for there in (path, os.path.dirname(path)):
        try:
            return is_local(there, os.stat(there).st_dev)
        except OSError:
            continue
    return False
