"""Whose turn it is to wait for a lock file: the threads of a process queue here, and one of them polls."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple
from weakref import WeakValueDictionary

from rdzv_file._errors import lost

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


_turns: WeakValueDictionary[str, Turns] = WeakValueDictionary()
_making = threading.Lock()


def _begin_anew() -> None:
    # In a forked child: its threads are not there that may have held a lock.
    global _turns, _making
    _turns, _making = WeakValueDictionary(), threading.Lock()


os.register_at_fork(after_in_child=_begin_anew)


def turns_of(lock: str) -> Turns:
    """Return this process's turns at a lock file; they are there for as long as somebody holds them."""
    turns = _turns.get(lock)
    if turns is None:
        with _making:
            turns = _turns.get(lock)
            if turns is None:
                turns = _turns[lock] = Turns()
    return turns
