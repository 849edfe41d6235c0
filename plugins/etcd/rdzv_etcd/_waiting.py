"""Waiting for a change: read, then watch from the revision after the read, again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from rdzv_core import RendezvousConnectionError
from rdzv_etcd._client.client import EtcdClient
from rdzv_etcd._client.messages import Extent
from rdzv_etcd._client.pauses import retry_pause
from rdzv_etcd._client.subscriptions import Span, WaitEnd

RESOLVE_SECONDS = 10.0
"""How long a lost answer is looked into, and a lost watch tried again: an election or a quick restart takes less."""


class Watched(NamedTuple):
    """What to wait for: a change within `span` from a revision on, and what a read found there.

    `within` is the range to watch for all waits in it; None: the span itself. `looked_at` is when that read began, by
    `time.monotonic`; None: just now.
    """

    span: Span
    start_revision: int
    found: Extent
    within: Span | None = None
    looked_at: float | None = None


T = TypeVar("T")


class Waiter:
    """Waits of one instance; `closing` ends what they do between two calls. Thread-safe."""

    def __init__(self, client: EtcdClient, closing: threading.Event) -> None:
        self._client = client
        self._closing = closing

    def wait(
        self,
        read: Callable[[], tuple[T, Watched]],
        changed: Callable[[T], bool],
        timeout: float,
        known: tuple[T, Watched] | None = None,
    ) -> tuple[bool, T]:
        """Read until `changed` holds of what is read; returns whether it does, and the last read.

        `known` is what an earlier read has found, of which `changed` does not hold: then the first read is left out
        where the range has been watched ever since. No change is missed. There is no last read either where the watch
        was found to be whole meanwhile. etcd may be out of reach for up to 10 s: then what `read` or the watch raises
        is raised.
        """
        end = time.monotonic() + timeout
        losing_since: float | None = None
        while True:
            found, watched = known or self._read_patiently(read, end)
            if known is None and changed(found):
                return True, found
            if known is None and time.monotonic() >= end:
                return False, found
            ended, losing_since = self._watch(watched, end, losing_since)
            if ended is WaitEnd.UNCHANGED and time.monotonic() >= end:
                return False, found
            known = None

    def pause(self) -> bool:
        """Wait a moment before another try; True if the instance was closed meanwhile."""
        return self._closing.wait(retry_pause())

    def _watch(self, watched: Watched, end: float, losing_since: float | None) -> tuple[WaitEnd, float | None]:
        """Wait for a change until `end` at most; return also since when the watch was lost again and again, if so."""
        started = time.monotonic()
        try:
            ended = self._client.wait_change(
                watched.span,
                watched.start_revision,
                min(end, started + self._client.timeout),
                watched.found,
                watched.within,
                watched.looked_at,
            )
        except RendezvousConnectionError:
            now = time.monotonic()
            if losing_since is None or now - started > RESOLVE_SECONDS:
                losing_since = now
            if now - losing_since > RESOLVE_SECONDS or self.pause():
                raise
            return WaitEnd.WOKEN, losing_since  # the next read shows whether etcd is really gone
        return ended, None

    def _read_patiently(self, read: Callable[[], tuple[T, Watched]], end: float) -> tuple[T, Watched]:
        """Read; when etcd cannot be reached, try again for a while if there is time to wait anyway."""
        until = min(end, time.monotonic() + RESOLVE_SECONDS)
        while True:
            try:
                return read()
            except RendezvousConnectionError:
                if time.monotonic() >= until or self.pause():
                    raise
