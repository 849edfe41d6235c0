"""Where a backend submits its calls, to the two lanes that the backends of a run share in a process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from rdzv_core.abc import OnDone
from rdzv_file._lane import Lane
from rdzv_file._per_process import PerProcess
from rdzv_file._waiting import Wait


class Lanes:
    """One lane for looks, which never wait for others, and one for writes, which wait for their lock."""

    def __init__(self) -> None:
        self.looks, self.writes = Lane("rdzv file looks"), Lane("rdzv file writes")

    def acquire(self) -> None:
        """Begin to use both."""
        self.looks.acquire()
        self.writes.acquire()

    def release(self) -> None:
        """Use neither any more."""
        self.looks.release()
        self.writes.release()


_lanes: PerProcess[tuple[str, str], Lanes] = PerProcess(lambda _: Lanes())


class Submitter:
    """Submits calls of one backend, which is found `closed` after `close`. Thread-safe; a forked child begins again."""

    def __init__(self, key: tuple[str, str], closed: Callable[[], Exception]) -> None:
        self._key, self._closed = key, closed
        self._opened: dict[int, _Opened] = {}

    def look(self, make: Callable[[Lane], Wait[Any]], done: OnDone) -> None:
        """Have a wait done, and `done` told how it ended; `make` is given the lane for what it has to write."""
        self._submit(lambda lanes: lanes.looks.look(make(lanes.writes), done), done)

    def write(self, job: Callable[[Lane], None], done: OnDone) -> None:
        """Have a job done in the lane for writes, which it is given; `done` is told what it raises, or by itself."""

        def attempt(lane: Lane) -> None:
            try:
                job(lane)
            except Exception as error:  # noqa: BLE001 - it is handed on
                done(None, error)

        self._submit(lambda lanes: lanes.writes.post(lambda: attempt(lanes.writes)), done)

    def close(self) -> None:
        """Refuse what comes now; what was submitted finds the backend closed, and ends."""
        self._here().close()

    def _submit(self, submit: Callable[[Lanes], bool], done: OnDone) -> None:
        try:
            if self._here().use(submit):
                return
            error = self._closed()
        except Exception as failed:  # noqa: BLE001 - it is handed on
            error = failed
        done(None, error)

    def _here(self) -> _Opened:
        here = self._opened.get(os.getpid())
        return here or self._opened.setdefault(os.getpid(), _Opened(self._key))


class _Opened:
    """The submitter in one process."""

    def __init__(self, key: tuple[str, str]) -> None:
        self._key = key
        self._lock = threading.Lock()
        self._lanes: Lanes | None = None
        self._is_closed = False

    def use(self, submit: Callable[[Lanes], bool]) -> bool:
        with self._lock:
            if self._is_closed:
                return False
            if self._lanes is None:
                lanes = _lanes.of(self._key)
                lanes.acquire()
                self._lanes = lanes
            return submit(self._lanes)

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            lanes, self._lanes = self._lanes, None
        if lanes is not None:
            lanes.release()
