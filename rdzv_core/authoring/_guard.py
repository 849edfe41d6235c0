"""The calls of one instance: each with a deadline, all of them ended by `close`, and none taken along into a fork."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rdzv_core._errors import RendezvousConnectionError
from rdzv_core.authoring._after_fork import begin_again_in_a_child


class Call:
    """One call of one thread. It is over `timeout` seconds after it began, or when its guard is closed."""

    def __init__(self, guard: CallGuard, timeout: float) -> None:
        self._guard = guard
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._interrupts: list[Callable[[], None]] = []

    @property
    def left(self) -> float:
        """Seconds that are left, never less than 0. For a client's own timeout: `max(call.left, 0.001)`."""
        return max(0.0, self._deadline - time.monotonic())

    def check(self) -> None:
        """Raise `RendezvousConnectionError` if the guard was closed, or no time is left."""
        self._guard.check()
        if self.left <= 0:
            raise RendezvousConnectionError(f"{self._guard.what}: no answer within {self._timeout:g} s")

    def pause(self, seconds: float) -> None:
        """Sleep, at most for the time that is left; then `check`. A close ends it at once."""
        self._guard.wait_closed(min(seconds, self.left))
        self.check()

    @contextmanager
    def interruptible(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Have `interrupt` called, from another thread, if the guard is closed while the block runs.

        It should end what the block waits for, such as the connection's socket (`shutdown`) or a future (`cancel`).
        Whatever that makes the block raise becomes the `RendezvousConnectionError` of a closed instance. What
        `interrupt` raises is ignored.
        """
        self._interrupts.append(interrupt)
        try:
            self._guard.check()  # after it was added: a close that came before is seen here, one that comes later calls
            yield
        except Exception as error:
            if self._guard.is_closed and not isinstance(error, RendezvousConnectionError):
                raise RendezvousConnectionError(f"{self._guard.what} was closed during a call") from error
            raise
        finally:
            self._interrupts.remove(interrupt)

    def interrupt(self) -> None:
        """End what the call waits for."""
        for interrupt in list(self._interrupts):
            with suppress(Exception):
                interrupt()


class CallGuard:
    """Guards the calls of one instance. Thread-safe, and takes no lock, so that a fork finds none held.

    `what` begins the text of every error: the backend and its endpoint, say. `timeout` is how many seconds one call may
    take. In the child of a fork an open guard is open and has no calls; what the child closes interrupts no call of its
    parent.
    """

    def __init__(self, what: str, timeout: float) -> None:
        self.what = what
        self.timeout = timeout
        self._closed = threading.Event()
        self._calls: set[Call] = set()
        begin_again_in_a_child(self._begin_again)

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed.is_set()

    def check(self) -> None:
        """Raise `RendezvousConnectionError` if it is closed."""
        if self._closed.is_set():
            raise RendezvousConnectionError(f"{self.what} was closed: create a new one")

    def wait_closed(self, seconds: float) -> bool:
        """Sleep until it is closed, at most so many seconds; return whether it is closed."""
        return self._closed.wait(max(0.0, min(seconds, threading.TIMEOUT_MAX)))

    @contextmanager
    def call(self, timeout: float | None = None) -> Iterator[Call]:
        """Begin a call, of `timeout` seconds (by default the guard's). Raises `RendezvousConnectionError` if closed.

        An error that comes out of the block after `close` becomes the error of a closed instance, with its cause; but
        for `ValueError` and `TypeError`, which a library may mean for its caller, unless within `interruptible`.
        """
        call = Call(self, self.timeout if timeout is None else timeout)
        self._calls.add(call)
        try:
            self.check()
            yield call
        except Exception as error:
            if self._closed.is_set() and not isinstance(error, (RendezvousConnectionError, ValueError, TypeError)):
                raise RendezvousConnectionError(f"{self.what} was closed during a call") from error
            raise
        finally:
            self._calls.discard(call)

    def close(self) -> None:
        """End every call, now and later, with a `RendezvousConnectionError`. Idempotent; waits for none of them."""
        self._closed.set()
        for call in list(self._calls):
            call.interrupt()

    def _begin_again(self) -> None:
        closed, self._closed, self._calls = self._closed.is_set(), threading.Event(), set()
        if closed:
            self._closed.set()

    def __repr__(self) -> str:
        return f"<CallGuard of {self.what}: {'closed' if self.is_closed else f'{len(self._calls)} calls'}>"
