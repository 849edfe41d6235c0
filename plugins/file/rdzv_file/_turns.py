"""Whose turn it is to wait for a lock file: the threads of a process queue here, and one of them polls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from rdzv_file._errors import lost
from rdzv_file._per_process import PerProcess

_LOOK_EVERY = 0.25


class Patience(NamedTuple):
    """For how long a write waits for its turn, in seconds, and what ends that early."""

    endpoint: str
    seconds: float
    cancelled: Callable[[], bool]


class Turns:
    """Who writes next: the threads of this process queue here, so that only one of them waits for the lock file."""

    def __init__(self) -> None:
        self._turn = threading.Lock()

    @contextmanager
    def turn(self, lock: str, patience: Patience) -> Iterator[float]:
        """Be the one thread of this process that may wait for `lock`, for as many seconds as are left of `patience`."""
        deadline = time.monotonic() + patience.seconds
        self._wait(lock, deadline, patience)
        try:
            yield max(0.0, deadline - time.monotonic())
        finally:
            self._turn.release()

    def _wait(self, lock: str, deadline: float, patience: Patience) -> None:
        while not self._turn.acquire(timeout=max(0.0, min(_LOOK_EVERY, deadline - time.monotonic()))):
            if patience.cancelled():
                raise lost(patience.endpoint, "the backend was closed while it waited for its lock; create a new one")
            if time.monotonic() >= deadline:
                raise lost(
                    patience.endpoint,
                    f"no lock on {lock!r} within {patience.seconds:g} s: other threads of this process hold it; "
                    "check whether one of them hangs, or raise lock_timeout",
                )


_turns: PerProcess[str, Turns] = PerProcess(lambda _: Turns())


def turns_of(lock: str) -> Turns:
    """Return this process's turns at a lock file; they are there for as long as somebody holds them."""
    return _turns.of(lock)
