"""Who waits for a change of which keys. No I/O, and no lock of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import NamedTuple

from rdzv_etcd._client import messages
from rdzv_etcd._client.scope import Signal


class Span(NamedTuple):
    """A key, or the keys from it up to `end`."""

    key: bytes
    end: bytes | None = None

    def __contains__(self, key: object) -> bool:
        return key == self.key if self.end is None else isinstance(key, bytes) and self.key <= key < self.end


class WaitEnd(Enum):
    """How a wait for a change has ended."""

    WOKEN = "something may have changed"
    UNCHANGED = "its deadline came, and a linearizable read that began within the wait proves that nothing had changed"
    SILENT = "its deadline came"


class Subscription:
    """One wait for a change within a span at `start_revision` or later. Thread-safe, and harmless in a forked child.

    `looked_at` is when its caller has read what is there, by `time.monotonic`; None: just now.
    """

    def __init__(
        self,
        span: Span,
        start_revision: int,
        deadline: float,
        known: messages.Extent | None,
        looked_at: float | None = None,
    ) -> None:
        self.span, self.start_revision, self.deadline, self.known = span, start_revision, deadline, known
        self.looked_at = looked_at
        self.began = time.monotonic()
        self.error: Exception | None = None
        self.sent = False
        """Whether the watch stands."""
        self.cancelled = False
        self.next: Subscription | None = None
        """The one that is woken by `pass_on`."""
        self._pid = os.getpid()
        self._signal = Signal()

    def wait(self) -> bool:
        """Wait until woken; False when the deadline came first."""
        return self._signal.wait(self.deadline - time.monotonic())

    def wake(self) -> None:
        """End the wait."""
        self._signal.set()

    def pass_on(self) -> None:
        """Wake the next one, however this wait has ended: called when nobody can make another one the next any more."""
        if self.next is not None:
            self.next.wake()

    def cancel(self) -> None:
        """End the wait, from another thread."""
        if self._pid == os.getpid():  # a fork may have left the lock of the event locked for ever
            self.cancelled = True
            self.wake()


def wake_all(woken: Iterable[Subscription], error: Exception | None = None) -> None:
    """End the waits, one after the other: something may have changed, or `error` is why nobody knows.

    Of a hundred threads that wake together each waits for the interpreter, looks every 5 ms whether it is its turn,
    and so keeps the one that works from working. So each wakes its `next` by `pass_on`.
    """
    before: Subscription | None = None
    for each in woken:
        each.error = error
        if before is None:
            first = each
        else:
            before.next = each
        before = each
    if before is not None:
        first.wake()


class Subscriptions:
    """The waits within one range, found by key: an event is not compared with each of them."""

    def __init__(self) -> None:
        self._of_key: dict[bytes, set[Subscription]] = {}
        self._of_several: set[Subscription] = set()

    def add(self, subscription: Subscription) -> None:
        """Note a wait."""
        self._place(subscription).add(subscription)

    def remove(self, subscription: Subscription) -> None:
        """Forget it; idempotent."""
        place = self._place(subscription)
        place.discard(subscription)
        if not place and subscription.span.end is None:
            del self._of_key[subscription.span.key]

    def of(self, key: bytes) -> list[Subscription]:
        """Return those that wait for a change of this key."""
        return [*self._of_key.get(key, ()), *(each for each in self._of_several if key in each.span)]

    def __iter__(self) -> Iterator[Subscription]:
        """Go through all, as they are now."""
        return iter([*(each for place in self._of_key.values() for each in place), *self._of_several])

    def __bool__(self) -> bool:
        return bool(self._of_key or self._of_several)

    def _place(self, subscription: Subscription) -> set[Subscription]:
        span = subscription.span
        return self._of_key.setdefault(span.key, set()) if span.end is None else self._of_several
