"""Waiting for what others change: how to look for it, and how long to sleep between two looks."""

# ruff: noqa: PTH116, PTH120 - plain system calls, on plain strings

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Generic, NoReturn, TypeVar

from rdzv_core.backoff import Backoff
from rdzv_file._mounts import is_local
from rdzv_file._notify import Alarm, Bell

R = TypeVar("R")

_SHORTEST_NAP, _LONGEST_NAP = 0.001, 0.25
_FIRST_WITH_ALARM, _LONGEST_WITH_ALARM = 0.1, 2.5


def _nowhere() -> str | None:
    return None


def _no_limit() -> float:
    return math.inf


@dataclass(frozen=True, eq=False)
class Wait(Generic[R]):
    """Something to look for until it is there: `look` returns the result, in a tuple, or None where it is not.

    After `seconds`, `late` makes the result, or raises. A look waits for nobody who may take long. `path` is the file
    whose change is waited for, `nap_limit` how long to sleep at most.
    """

    look: Callable[[], tuple[R] | None]
    late: Callable[[], R]
    seconds: float = 0.0
    path: Callable[[], str | None] = _nowhere
    nap_limit: Callable[[], float] = _no_limit

    def block(self) -> R:
        """Wait on this thread."""
        deadline, naps = time.monotonic() + self.seconds, Naps()
        found = self.look()
        if found is None and self.seconds > 0:
            time.sleep(min(naps.next(alarmed=False), self.seconds))  # most waits end with the first look or the next
        if found is None:
            with closing(Place(self.path(), threading.Event())) as place:
                found = self._await(place, naps, deadline)
        return self.late() if found is None else found[0]

    def _await(self, place: Place[threading.Event], naps: Naps, deadline: float) -> tuple[R] | None:
        while True:
            alarmed = place.ready()
            found, left = self.look(), deadline - time.monotonic()
            if found is not None or left <= 0:
                return found
            place.bell.wait(min(naps.next(alarmed=alarmed), self.nap_limit(), left))


def _never() -> NoReturn:
    raise AssertionError("a wait that is over at once is never late")


def immediate(look: Callable[[], R]) -> Wait[R]:
    """Return what is over with one look."""
    return Wait(lambda: (look(),), _never)


class Naps:
    """How long to sleep: from 1 ms growing to 250 ms, each a little shorter at random.

    Where a change ends the nap the first one has 100 ms, and they grow to 2.5 s.
    """

    def __init__(self) -> None:
        self._backoff = Backoff(_SHORTEST_NAP, _LONGEST_NAP, factor=1.5, jitter=0.25)

    def next(self, *, alarmed: bool) -> float:
        """Return the seconds until the next look."""
        self._backoff.longest = _LONGEST_WITH_ALARM if alarmed else _LONGEST_NAP
        return self._backoff.next(at_least=_FIRST_WITH_ALARM if alarmed else 0.0)


B = TypeVar("B", bound=Bell)


class Place(Generic[B]):
    """A file that is waited for, and the bell that rings when it changes: on a local file system, if at all."""

    def __init__(self, path: str | None, bell: B) -> None:
        self.bell = bell
        self._alarm = Alarm(path, bell) if path is not None and _is_on_local(path) else None

    def ready(self) -> bool:
        """Have the bell ring at changes from now on, before the next look; return whether it will."""
        return self._alarm is not None and self._alarm.set()

    def close(self) -> None:
        """Wait for it no more."""
        if self._alarm is not None:
            self._alarm.close()


def _is_on_local(path: str) -> bool:
    for there in (path, os.path.dirname(path)):
        try:
            return is_local(there, os.stat(there).st_dev)
        except OSError:
            continue
    return False
