"""One thread waits and another one changes, turn by turn: no turn begins before the wait of the last one has ended."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed
from rdzv_conformance.harness.pausing import Pausing
from rdzv_conformance.harness.threads import Running

MOST_TURNS = 3000
LEAST_TURNS = 10
SECONDS = 0.5
"""For each of two ways."""
LOST_AFTER = 6.0
WINDOW = 2.0
"""A change comes up to this many times as late as the shortest wait took, at random: the wait looks meanwhile."""
LEAST_LINES, MOST_LINES = 20, 400
LEAST_PAUSE = 0.005
MOST_PAUSE = 0.5
"""Seconds that a wait stands still at most: it may hold a lock that the change needs."""


class Lockstep:
    """The turns of both: `wait_on` is the one thread's, `go_through` the other's."""

    running: Running[None]

    def __init__(
        self,
        under_test: BackendUnderTest,
        what: str,
        waiting: str,
        change: Callable[[int], None],
        wait: Callable[[int], bool],
        seconds: float = SECONDS,
    ) -> None:
        self._under_test = under_test
        self._what, self._waiting = what, waiting
        self._change, self._wait = change, wait
        self._lasts = seconds * under_test.target.pace
        self._begun = self._waited = 0
        self._over = self._pauses = False
        self._shortest, self._lines, self._pause = math.inf, LEAST_LINES, LEAST_PAUSE
        self._prepared: tuple[int, Pausing] | None = None
        """The turn that has been prepared last, and where its wait stops."""

    def wait_on(self) -> None:
        """Wait for one change after the other."""
        while not self._over:
            turn, pauses = self._waited + 1, self._pauses
            began = time.perf_counter()
            self._begun = turn
            pausing = self._await_prepared(turn) if pauses else None
            found = self._wait(turn - 1) if pausing is None else pausing.call(self._wait, turn - 1)
            if pausing is not None:
                self._lines = min(max(pausing.lines, LEAST_LINES), MOST_LINES)
            if not found:
                raise ClauseFailed(f"{self._waiting} ended in vain, though {self._what} came when it began")
            self._shortest = min(self._shortest, time.perf_counter() - began)
            self._waited = turn

    def go_through(self, step: Callable[[int], None], last: bool = False) -> None:
        """Make a change a turn by `step`, for a while; after the `last` one the waiting ends."""
        ends = time.monotonic() + self._lasts
        first = self._waited + 1
        for turn in range(first, first + MOST_TURNS):
            enough = turn == first + MOST_TURNS - 1 or (turn >= first + LEAST_TURNS and time.monotonic() > ends)
            self._over = last and enough
            try:
                step(turn)
                self._await(turn)
            except BaseException:
                self._over = True  # nobody prepares another turn
                raise
            if enough or self.running.ended(0.0):
                break

    def race(self, turn: int) -> None:
        """Make the change a moment after the wait has begun."""
        self._await_begun(turn)
        late = self._under_test.random.uniform(0, WINDOW * self._shortest) if self._waited else 0.0
        ends = time.perf_counter() + late
        while time.perf_counter() < ends:
            pass
        self._change(turn)

    def meet(self, turn: int) -> None:
        """Make the change while the wait stands at one of its lines, another one each turn."""
        if not self._pauses:
            self._await_begun(turn)  # as one that does not stop
            self._pauses = True
            self._change(turn)
            return
        # 7 goes round a prime; every second or third turn by itself does, too, for it may be of another kind.
        lines = next(each for each in range(self._lines, 2 * self._lines) if _is_prime(each))
        pausing = Pausing(1 + turn * 7 % lines, self._pause)
        self._prepared = turn, pausing
        pausing.meanwhile(self._timed_change, turn)

    def _timed_change(self, turn: int) -> None:
        began = time.monotonic()
        self._change(turn)
        self._pause = min(max(2 * (time.monotonic() - began), LEAST_PAUSE), MOST_PAUSE)

    def _await_begun(self, turn: int) -> None:
        while self._begun < turn and not self.running.ended(0.0):
            pass

    def _await_prepared(self, turn: int) -> Pausing | None:
        while self._prepared is None or self._prepared[0] < turn:
            if self._over:
                return None
            time.sleep(0)  # the other thread's turn
        return self._prepared[1]

    def _await(self, turn: int) -> None:
        limit = self._under_test.paced(LOST_AFTER)
        ends = time.monotonic() + limit
        while self._waited < turn and not self.running.ended(0.0):
            time.sleep(0)  # the other thread's turn
            if time.monotonic() > ends:
                raise ClauseFailed(
                    f"{self._waiting} has not returned {limit:.0f} s after {self._what} that came when it began, in "
                    f"turn {turn}: that wake-up is lost"
                )


def _is_prime(number: int) -> bool:
    return all(number % each for each in range(2, math.isqrt(number) + 1))
