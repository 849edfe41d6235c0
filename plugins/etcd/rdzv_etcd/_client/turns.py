"""How much of one kind a process does at once."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Hashable, Iterator

from rdzv_etcd._client.scope import CancelScope, Signal

PATIENCE_SECONDS = 0.3
"""How long none goes on while no turn ends; then one does without: what hangs does not hold up the others for good.

It is one, not all: where turns end late because a store or this process is short of processors, more at once would make
all of them later still.
"""

LONG_SECONDS = 1.0
"""After how long a wait for a turn others may overtake."""


class Turns:
    """Threads that take turns, `at_once` of them for each thing. Thread-safe.

    Safe to fork at any moment: the child has turns of its own.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._places: dict[tuple[int, Hashable], _Places] = {}

    @contextlib.contextmanager
    def take(self, thing: Hashable, scope: CancelScope) -> Iterator[None]:
        """Wait for a turn; go on without one once the scope is over or cancelled, or first in line while none ends."""
        key = os.getpid(), thing
        places = self._places.get(key) or self._places.setdefault(key, _Places(self._at_once))
        taken = places.take(scope)
        try:
            yield
        finally:
            if taken:
                places.give_back()


class _Waiting:
    """One that waits for a turn."""

    def __init__(self) -> None:
        self.since = time.monotonic()
        self.signal = Signal()


class _Places:
    """As many as may be taken at once, and who waits for one.

    Who came first is first. Once that one has waited for long, every second turn is for who came last: at a store that
    is that slow, who has waited longest has often been given up by its caller, and if all turns were for such, nothing
    would be answered in time any more.

    Only the first in line looks at the clock: a hundred threads that wake now and then would keep those from working
    whom they wait for.
    """

    def __init__(self, number: int) -> None:
        self._lock = threading.Lock()
        self._free = number
        self._waiting: deque[_Waiting] = deque()
        self._given_back = 0
        self._moved_at = float("-inf")

    def take(self, scope: CancelScope) -> bool:
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            waiting = _Waiting()
            self._waiting.append(waiting)
        try:
            return self._wait(waiting, scope)
        except BaseException:  # a KeyboardInterrupt, for example, takes no turn with it
            with self._lock:
                was_given = waiting not in self._waiting
                if not was_given:
                    self._leave(waiting)
            if was_given:
                self.give_back()
            raise

    def give_back(self) -> None:
        with self._lock:
            self._given_back += 1
            self._moved_at = time.monotonic()
            if not self._waiting:
                self._free += 1
                return
            is_long = self._moved_at - self._waiting[0].since > LONG_SECONDS
            last = is_long and self._given_back % 2
            next_one = self._waiting.pop() if last else self._waiting.popleft()
            next_one.signal.set()
            self._tell_the_first()

    def _wait(self, waiting: _Waiting, scope: CancelScope) -> bool:
        while True:
            with self._lock:
                if waiting not in self._waiting:
                    return True
                now = time.monotonic()
                if scope.cancelled or now >= min(scope.deadline, self._goes_without_at(waiting)):
                    self._leave(waiting)
                    return False
                until = min(scope.deadline, self._goes_without_at(waiting))
            scope.wait(waiting.signal, until)

    def _goes_without_at(self, waiting: _Waiting) -> float:
        if waiting is not self._waiting[0]:
            return float("inf")
        return max(self._moved_at, waiting.since) + PATIENCE_SECONDS

    def _leave(self, waiting: _Waiting) -> None:
        if waiting is self._waiting[0]:
            self._moved_at = time.monotonic()
        self._waiting.remove(waiting)
        self._tell_the_first()

    def _tell_the_first(self) -> None:
        """Wake who is first in line now, to look at the clock."""
        if self._waiting:
            self._waiting[0].signal.set()
