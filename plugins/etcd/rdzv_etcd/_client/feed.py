"""What a watched range of keys has delivered, who waits for it, and whether a read proves that nothing is missing.

No I/O, and no lock of its own.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from rdzv_etcd._client import messages
from rdzv_etcd._client.subscriptions import Span, Subscription, Subscriptions, wake_all

LOGGED_EVENTS = 1024
"""How many of the newest events are kept for waits that begin after they came."""


class Feed:
    """The changes of one range in the order of their revisions, from the revision of its base on.

    `begin` sets the base: the range's extent at a revision. What is delivered from there on is counted, so that a
    later read of the extent proves that every change before it was delivered, or shows that one was not.
    """

    def __init__(self, span: Span) -> None:
        self.span = span
        self.subscriptions = Subscriptions()
        self._idle_since = time.monotonic()
        self.begun = False
        self._begun_at = float("inf")
        self._proven_at = float("-inf")
        self.stands = False
        """Whether etcd has confirmed the watch of the present stream."""
        self.delivered = 0
        """Every change up to this revision was delivered, as far as is known."""
        self._total = 0
        self._logged_from = 0
        self._log: deque[tuple[int, bytes]] = deque()
        self._owed = 0
        """The revision of the last read, if that has shown that something is missing."""

    def begin(self, extent: messages.Extent, revision: int) -> None:
        """Set the base, and wake who has read before it, unless what it has read is what is there."""
        self.begun, self.delivered, self._total, self._logged_from = True, revision, extent.total, revision
        self._begun_at = time.monotonic()
        self._log.clear()
        self._owed = 0
        self._wake(
            each
            for each in self.subscriptions
            if each.start_revision - 1 != revision and not self._same(each, extent, revision)
        )

    def end(self, error: Exception | None = None) -> None:
        """Wake everybody, as nothing is known any more."""
        self._wake(self.subscriptions, error)

    def stand(self) -> None:
        """Note that etcd has confirmed the watch."""
        self.stands = True
        for each in self.subscriptions:
            each.sent = True

    def add(self, subscription: Subscription) -> None:
        """Let it wait; it is woken at once where the change it waits for was delivered, or may have been."""
        self.subscriptions.add(subscription)
        subscription.sent = self.stands
        looked_at = subscription.looked_at
        looked_before = looked_at is not None and looked_at <= self._begun_at  # perhaps even at a store wiped since
        if looked_before or (self.begun and self._has_passed(subscription)):
            self._wake([subscription])

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscription; idempotent."""
        self.subscriptions.remove(subscription)
        self._idle_since = time.monotonic()

    def is_idle(self, seconds: float) -> bool:
        """Return whether nobody has waited for that long."""
        return not self.subscriptions and time.monotonic() - self._idle_since > seconds

    def deliver(self, events: list[Mapping[str, Any]]) -> None:
        """Take the events of one message, and wake who waits for them."""
        woken: dict[Subscription, None] = {}
        for event in events:
            key, revision = messages.read_event(event)
            self._total += messages.event_change(event)
            self.delivered = max(self.delivered, revision)
            self._log.append((revision, key))
            if len(self._log) > LOGGED_EVENTS:
                self._logged_from = self._log.popleft()[0]
            woken |= dict.fromkeys(each for each in self.subscriptions.of(key) if revision >= each.start_revision)
        self._wake(woken)

    def is_proven_for(self, subscription: Subscription) -> bool:
        """Return whether a read that began within this wait has found that nothing was missed."""
        return self._proven_at >= subscription.began

    def prove(self, extent: messages.Extent, revision: int, began: float) -> bool:
        """Compare with a linearizable read of the extent; False: the watch has missed a change, or is late by a read.

        The read has begun then, by `time.monotonic`.
        Nothing is missing if what was delivered reaches the read; or if no key has a newer revision than that, and as
        many are there as were counted. Else whoever waits is told to look, as after a change, and what is missing may
        still come until the next read.
        """
        if revision < self.delivered:
            return False  # the store has lost its data, and counts again
        reached = self.delivered == revision
        if reached or (self.delivered >= extent.revision and self._total == extent.total):
            self.delivered, self._owed, self._proven_at = revision, 0, began
            return True
        late = self._owed > 0 and self.delivered < self._owed
        self._owed = revision
        self._wake(self.subscriptions)
        return not late

    def _has_passed(self, subscription: Subscription) -> bool:
        if subscription.start_revision <= self._logged_from:
            return True  # what came before is not known any more
        for revision, key in reversed(self._log):
            if revision < subscription.start_revision:
                return False
            if key in subscription.span:
                return True
        return False

    def _same(self, subscription: Subscription, extent: messages.Extent, revision: int) -> bool:
        return (
            subscription.span == self.span
            and subscription.known == extent
            and subscription.start_revision - 1 <= revision
        )

    def _wake(self, woken: Iterable[Subscription], error: Exception | None = None) -> None:
        woken = list(woken)
        for each in woken:
            self.remove(each)
        wake_all(woken, error)
