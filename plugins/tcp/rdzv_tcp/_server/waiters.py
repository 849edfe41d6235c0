"""Requests that wait, by the topic that has to change. Runs on the server's loop alone."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Protocol

from rdzv_tcp._protocol import encode
from rdzv_tcp._server.deadlines import Deadlines
from rdzv_tcp._server.wait_requests import WaitRequest


class WaiterOwner(Protocol):
    """The connection that is answered."""

    def wake(self, answers: list[tuple[Waiter, bytes]]) -> None:
        """Send the answers to waiters whose topic has changed."""

    def expire(self, waiter: Waiter) -> None:
        """Answer a waiter whose time is over."""

    def flush(self) -> None:
        """Send at once what is to be sent together."""


class Waiter:
    """One request that waits for a topic to change."""

    __slots__ = ("deadline", "owner", "request", "request_id", "size", "topic")

    def __init__(self, owner: WaiterOwner, request_id: int, request: WaitRequest, topic: Hashable) -> None:
        self.owner = owner
        self.request_id = request_id
        self.request = request
        self.topic = topic
        self.size = request.size
        self.deadline: set[Waiter] | None = None
        """Those that expire together with it."""

    def stop_deadline(self) -> None:
        """Have it expire no more."""
        if self.deadline is not None:
            self.deadline.discard(self)
            if not self.deadline:
                self.deadline.clear()  # a set from which all were discarded still takes the memory of all
            self.deadline = None


class Waiters:
    """All waiters of a server, by topic."""

    def __init__(self) -> None:
        self._by_topic: dict[Hashable, set[Waiter]] = {}
        self._deadlines: Deadlines[Waiter] = Deadlines(self._expire)

    def __len__(self) -> int:
        # From another thread, as a test may look, a copy: the loop's thread goes on.
        return sum(map(len, list(self._by_topic.values())))

    def waiting_for(self, topic: Hashable) -> list[Waiter]:
        """Return those who wait for `topic`."""
        return list(self._by_topic.get(topic, ()))

    def topics(self) -> list[Hashable]:
        """Return what is waited for."""
        return list(self._by_topic)

    def add(self, waiter: Waiter, seconds: float) -> None:
        """Answer `waiter` when its topic has changed, or after `seconds`."""
        waiter.deadline = self._deadlines.add(waiter, seconds)
        self._put(waiter)

    def remove(self, waiter: Waiter) -> None:
        """Answer `waiter` no more."""
        waiter.stop_deadline()
        there = self._by_topic.get(waiter.topic)
        if there is not None:
            there.discard(waiter)
            if not there:
                del self._by_topic[waiter.topic]

    def changed(
        self, topics: Iterable[Hashable], writer: WaiterOwner | None = None, dropped: tuple[str, ...] | None = None
    ) -> None:
        """Answer everybody who waits for one of `topics`, or for anything below `dropped`.

        `writer` has been answered before: what it was sent is on its way first.
        """
        for topic in topics:
            if topic in self._by_topic:
                self._wake(topic, writer)
        if dropped is not None:  # seldom: it looks at every topic
            for topic in self.topics():
                if isinstance(topic, tuple) and topic[: len(dropped)] == dropped:
                    self._wake(topic, None)

    def _wake(self, topic: Hashable, writer: WaiterOwner | None) -> None:
        there = self._by_topic.pop(topic, None)
        if there is None:
            return
        if writer is not None:
            writer.flush()
        # What many are told is encoded once for all of them, and sent to each connection in one piece.
        bodies: dict[Hashable, bytes] = {}
        woken: dict[WaiterOwner, list[tuple[Waiter, bytes]]] = {}
        for waiter in there:
            next_topic = waiter.request.topic()
            if next_topic is not None:
                waiter.topic = next_topic
                self._put(waiter)
                continue
            body = bodies.get(waiter.request.likeness)
            if body is None:
                body = bodies[waiter.request.likeness] = encode(waiter.request.answer())
            waiter.stop_deadline()
            woken.setdefault(waiter.owner, []).append((waiter, body))
        for owner, answers in woken.items():
            owner.wake(answers)

    def _put(self, waiter: Waiter) -> None:
        self._by_topic.setdefault(waiter.topic, set()).add(waiter)

    def _expire(self, waiter: Waiter) -> None:
        self.remove(waiter)
        waiter.owner.expire(waiter)
