"""The threads of a process for calls that were submitted: each does jobs in order, and looks for those who wait."""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from typing import Any

from rdzv_core.abc import OnDone
from rdzv_file._waiting import Naps, Place, Wait

log = logging.getLogger("rdzv")

Job = Callable[[], None]
"""Something that takes a moment, or on a lane for writes as long as a lock may take. It raises nothing."""

_PATIENCE = 1.0
"""Seconds to wait for the end of a thread: it may hang in a call on a file system that is not there."""


class Lane:
    """One thread, for as long as somebody uses it and there was something to do. Thread-safe."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._users = 0
        self._loop: _Loop | None = None

    def acquire(self) -> None:
        """Begin to use it."""
        with self._lock:
            self._users += 1

    def post(self, job: Job) -> bool:
        """Have a job done after all others; False: nobody uses the lane any more."""
        loop = self._started()
        if loop is not None:
            loop.post(job)
        return loop is not None

    def look(self, wait: Wait[Any], done: OnDone) -> bool:
        """Have `done` told how the wait ended; False: nobody uses the lane any more."""
        loop, one = self._started(), _Parked(wait, done)
        if loop is not None:
            loop.post(partial(loop.look, one))
        return loop is not None

    def release(self) -> None:
        """Use it no more: after what was posted the thread ends with the last user."""
        with self._lock:
            self._users -= 1
            if self._users:
                return
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.end()

    def _started(self) -> _Loop | None:
        with self._lock:
            if self._loop is None and self._users:
                self._loop = _Loop(self._name)
            return self._loop


class _Parked:
    """A wait that was submitted."""

    __slots__ = ("deadline", "done", "due", "naps", "place", "wait")

    def __init__(self, wait: Wait[Any], done: OnDone) -> None:
        self.wait, self.done = wait, done
        self.deadline = time.monotonic() + wait.seconds
        self.naps = Naps()
        self.place: _SharedPlace | None = None
        self.due = 0.0


class _Loop:
    """The thread, what it has to do, and who waits there."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._by_time: list[tuple[float, int, _Parked]] = []
        self._numbers = itertools.count()
        self._waiting: set[_Parked] = set()
        self._places: dict[str, _SharedPlace] = {}
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def post(self, job: Job) -> None:
        self._jobs.put(job)

    def end(self) -> None:
        self._jobs.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join(_PATIENCE)

    def _run(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=self._pause())
            except queue.Empty:
                job = self._look_at_due
            if job is None:
                break
            self._do(job)
            self._do(self._look_at_due)
        for one in list(self._waiting):
            self._do(partial(self.look, one))  # those who use it have gone, so that this is the last look

    def _do(self, job: Job) -> None:
        try:
            job()
        except Exception:
            log.exception("a submitted call on a file store failed in a way that nobody was told of")

    def _pause(self) -> float | None:
        return max(0.0, self._by_time[0][0] - time.monotonic()) if self._by_time else None

    def _look_at_due(self) -> None:
        now = time.monotonic()
        while self._by_time and self._by_time[0][0] <= now:
            due, _, one = heappop(self._by_time)
            if due == one.due and one in self._waiting:
                self.look(one)

    def look(self, one: _Parked) -> None:
        """Look for what is waited for, and end the wait or sleep until the next look."""
        try:
            alarmed = one.place is not None and one.place.ready()
            found, left = one.wait.look(), one.deadline - time.monotonic()
            if found is None and left > 0:
                if one.place is None and self._found_place(one):
                    self.look(one)  # again: it may have changed before it was watched
                else:
                    self._sleep(one, min(left, one.naps.next(alarmed=alarmed), one.wait.nap_limit()))
                return
            result = one.wait.late() if found is None else found[0]
        except Exception as error:  # noqa: BLE001 - `done` is told
            self._end(one, None, error)
        else:
            self._end(one, result, None)

    def _found_place(self, one: _Parked) -> bool:
        path = one.wait.path()
        if path is None:
            return False
        place = self._places.get(path)
        if place is None:
            place = self._places[path] = _SharedPlace(path, self)
        place.waiting.add(one)
        one.place = place
        return place.ready()

    def _sleep(self, one: _Parked, seconds: float) -> None:
        one.due = time.monotonic() + seconds
        self._waiting.add(one)
        heappush(self._by_time, (one.due, next(self._numbers), one))

    def _end(self, one: _Parked, result: object, error: Exception | None) -> None:
        self._waiting.discard(one)
        place, one.place = one.place, None
        if place is not None:
            place.waiting.discard(one)
            if not place.waiting:
                del self._places[place.path]
                place.close()
        one.done(result, error)

    def look_at_place(self, place: _SharedPlace) -> None:
        """Look for all that wait there."""
        for one in list(place.waiting):
            self.look(one)


class _SharedPlace(Place["_Bell"]):
    """A file that several wait for."""

    def __init__(self, path: str, loop: _Loop) -> None:
        self.path = path
        self.waiting: set[_Parked] = set()
        super().__init__(path, _Bell(lambda: loop.post(partial(loop.look_at_place, self))))


class _Bell:
    """Posts a job when it rings."""

    def __init__(self, ring: Job) -> None:
        self._ring = ring
        self._rung = False

    def set(self) -> None:
        if not self._rung:
            self._rung = True
            self._ring()

    def clear(self) -> None:
        self._rung = False

    def is_set(self) -> bool:
        return self._rung
