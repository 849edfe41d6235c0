"""How fallbacks wait: with a limit, not in step with each other, and no longer than until they are closed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from rdzv_core._errors import RendezvousConnectionError
from rdzv_core.backoff import Backoff

SHORTEST_POLL = 0.001
LONGEST_POLL = 0.25
FIRST_BACKOFF = 4
"""Times an attempt that a writer pauses at first."""
CONTENTION_LIMIT = 60.0
"""Seconds that a write may be kept from its turn by other writers before it gives up."""


class Life:
    """Whether the thing named `what` is still open, and sleeping that a close cuts short. Thread-safe."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._closed = threading.Event()

    def close(self) -> None:
        """End every sleep, now and later, with a `RendezvousConnectionError`."""
        self._closed.set()

    @property
    def is_closed(self) -> bool:
        """Whether it is closed."""
        return self._closed.is_set()

    def check(self) -> None:
        """Raise `RendezvousConnectionError` if it is closed."""
        if self._closed.is_set():
            raise RendezvousConnectionError(f"{self._what} is closed")

    def sleep(self, seconds: float) -> None:
        """Sleep; raises `RendezvousConnectionError` as soon as it is closed."""
        self._closed.wait(max(seconds, 0.0))
        self.check()

    def looks(self, deadline: float, longest: Callable[[], float] = lambda: float("inf")) -> Iterator[bool]:
        """Yield for look after look, with pauses in between; the last one, True, begins at the deadline or later.

        A pause takes two to four times as long as the look before it at least, and where a look takes very long as long
        as that: so those who wait, however many, leave a busy store to those who write. No pause is over `longest()`.
        """
        pauses = poll_pauses()
        while True:
            begun = time.monotonic()
            yield begun >= deadline
            ended = time.monotonic()
            if begun >= deadline:
                return
            took = ended - begun
            self.sleep(min(max(pauses.next(at_least=4 * took), took), longest(), deadline - ended))

    def attempts(self, limit: float) -> Iterator[int]:
        """Count attempts at a write that others may get in before, with growing, jittered pauses between them.

        The fastest attempt so far tells how fast the store is: the pause is drawn from four times that at first, and
        from twice as many times after each further one, up to 250 ms or four times that where the store is slower.
        The latest one tells how busy this machine is as well; who slept by that would sleep on when all is quiet again.
        After `limit` seconds it raises `RendezvousConnectionError`: a store on which no write gets its turn is as good
        as out of reach.
        """
        deadline = time.monotonic() + limit
        attempt, fastest, times = 1, float("inf"), Backoff(FIRST_BACKOFF, LONGEST_POLL / SHORTEST_POLL, jitter=1)
        while True:
            begun = time.monotonic()
            yield attempt
            fastest = min(fastest, max(time.monotonic() - begun, SHORTEST_POLL))
            if time.monotonic() >= deadline:
                raise RendezvousConnectionError(
                    f"{self._what}: others wrote first {attempt} times in {limit:g} s; the store is too slow for so "
                    "many writers: try again, or use a backend that has this capability itself"
                )
            times.longest = max(LONGEST_POLL / fastest, FIRST_BACKOFF)
            self.sleep(times.next() * fastest)
            attempt += 1


def poll_pauses() -> Backoff:
    """Return the pauses between looks: from 1 ms doubling to 250 ms, each up to half shorter at random."""
    return Backoff(SHORTEST_POLL, LONGEST_POLL)
