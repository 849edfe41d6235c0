"""For backends over libraries that have locks of their own: a fork waits until no thread is within such a library."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["hold_forks"]

_PATIENCE = 1.0
"""Seconds for which a fork waits at most: what takes longer does not belong into `hold_forks`."""


class _Gate:
    """Many may be inside; a fork waits until nobody is, and lets nobody in until it is done."""

    def __init__(self) -> None:
        self._changed = threading.Condition()  # over an RLock: a signal's handler may come in on top of its own thread
        self._inside = 0
        self._forking: set[int] = set()
        """The threads that fork."""

    def enter(self) -> None:
        with self._changed:
            while self._forking - {threading.get_ident()}:  # a fork does not keep its own thread's handlers out
                self._changed.wait()
            self._inside += 1

    def leave(self) -> None:
        with self._changed:
            self._inside = max(self._inside - 1, 0)  # a child that was forked within has begun to count anew
            self._changed.notify_all()

    def before_fork(self) -> None:
        self._changed.acquire()
        self._forking.add(threading.get_ident())
        self._changed.wait_for(lambda: not self._inside, _PATIENCE)

    def after_in_parent(self) -> None:
        self._forking.discard(threading.get_ident())
        self._changed.notify_all()
        self._changed.release()

    def after_in_child(self) -> None:
        self.__init__()  # type: ignore[misc] # the threads that it counted are not there


_gate = _Gate()


@contextmanager
def hold_forks() -> Iterator[None]:
    """Let a fork of this process wait, up to a second, until the block is left; so many threads may be in one as like.

    OpenSSL, say, has locks that nobody makes anew in a child: one that was held at the fork is held there for ever. Put
    what takes such locks, and little time, into the block: no waiting for a network. Thread-safe. Processes that are
    started by `subprocess` wait for nobody.
    """
    _gate.enter()
    try:
        yield
    finally:
        _gate.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_gate.before_fork, after_in_parent=_gate.after_in_parent, after_in_child=_gate.after_in_child
    )
