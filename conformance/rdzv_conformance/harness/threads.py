"""Threads that start together, and calls whose end can be awaited."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from rdzv_conformance.harness.expect import ClauseFailed

T = TypeVar("T")

STUCK = 60.0


class Running(Generic[T]):
    """A call on a thread of its own."""

    def __init__(self, function: Callable[..., T], *args: object) -> None:
        self._function = function
        self._args = args
        self._done = threading.Event()
        self._began = threading.Event()
        self._result: list[T] = []
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name="rdzv-conformance-call", daemon=True).start()
        self._began.wait()

    def _run(self) -> None:
        self._began.set()
        try:
            self._result.append(self._function(*self._args))
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            self._error = error
        finally:
            self._done.set()

    def ended(self, within: float) -> bool:
        """Wait for the end, at most `within` seconds, and return whether it came."""
        return self._done.wait(within)

    def result(self, within: float, otherwise: str) -> T:
        """Return the result or raise what the call raised; fail the clause with `otherwise` if it does not end."""
        if not self.ended(within):
            raise ClauseFailed(otherwise)
        if self._error is not None:
            raise self._error
        return self._result[0]


def race(count: int, function: Callable[[int], T], pace: float = 1.0) -> list[T]:
    """Call `function(0)` to `function(count - 1)` on threads that start together; return the results in that order."""
    limit = STUCK * pace
    barrier = threading.Barrier(count)

    def start_together(number: int) -> T:
        barrier.wait(limit)
        return function(number)

    with frequent_switches():
        runners = [Running(start_together, number) for number in range(count)]
        return [
            runner.result(limit, f"{count} threads on one store have not ended after {limit:.0f} s")
            for runner in runners
        ]


@contextmanager
def frequent_switches() -> Iterator[None]:
    """Let the interpreter change threads after a few instructions."""
    # The interpreter changes threads every 5 ms unless told otherwise: a race of two lines would be seen rarely.
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
