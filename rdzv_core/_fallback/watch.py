"""Waiting for a change by looking again and again."""

from __future__ import annotations

import time

from rdzv_core._fallback.pace import Life
from rdzv_core.abc import RendezvousBackend, StateSnapshot, SupportsWatch, Token


class PollingWatch(SupportsWatch):
    """`wait_state` on any backend: reads after 1 ms, then less and less often, down to once in 250 ms.

    A change is seen up to 250 ms late, and one that is undone between two reads is seen by its token. Closing it, or
    the backend, ends waits within a second. Thread-safe as far as the backend is.
    """

    def __init__(self, backend: RendezvousBackend, life: Life | None = None) -> None:
        self._backend = backend
        self._life = life or Life(f"the watch on backend {backend.name!r}")

    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        for _ in self._life.looks(time.monotonic() + timeout):
            self._life.check()
            found = self._backend.get_state()
            there = None if found is None else StateSnapshot(*found)
            if (None if there is None else there.token) != token:
                return True, there
        return False, there

    def close(self) -> None:
        """End the waits; the backend stays open."""
        self._life.close()

    def __repr__(self) -> str:
        return f"<PollingWatch on {self._backend!r}>"


def watch_of(backend: RendezvousBackend, life: Life | None = None) -> SupportsWatch:
    """Return a watch on the backend's register: its own if it has one, else by polling, for as long as `life` lasts."""
    return backend if isinstance(backend, SupportsWatch) else PollingWatch(backend, life)
