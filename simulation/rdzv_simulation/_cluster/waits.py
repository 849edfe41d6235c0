"""Waits at the store: answered when something changes, or when their time is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from rdzv_simulation._cluster.in_flight import InFlight
from rdzv_simulation._cluster.store import SimStore
from rdzv_simulation._cluster.timeline import Timeline


class Answers(Protocol):
    """What takes an answer back to its node."""

    def answer(self, flight: InFlight, result: Any) -> None:
        """Send an answer."""

    def lose(self, flight: InFlight) -> None:
        """Send none: its sender waits until it gives up."""


class Wait:
    """One operation that waits at the store; `look` returns whether there is a change, and the result now."""

    __slots__ = ("_answers", "_flight", "_look", "_store", "_timeline", "_waiters")

    def __init__(
        self,
        timeline: Timeline,
        store: SimStore,
        answers: Answers,
        flight: InFlight,
        waiters: list[Callable[[], None]],
        look: Callable[[SimStore, Any], tuple[bool, Any]],
    ) -> None:
        self._timeline, self._store, self._answers = timeline, store, answers
        self._flight, self._waiters, self._look = flight, waiters, look

    def begin(self, timeout: float) -> None:
        """Answer at once if there is a change, else wait for one, at most for `timeout` seconds."""
        changed, result = self._look(self._store, self._flight.operation)
        if changed:
            self._answers.answer(self._flight, result)
            return
        self._flight.expiry = self._timeline.later(timeout, self._expire)
        self._waiters.append(self._wake)

    def _wake(self) -> None:
        """Answer if there is a change, if the time is over, or if the store went down; wait on otherwise."""
        flight = self._flight
        if flight.expiry is None:
            return
        if self._store.down or flight.broken:
            self._answers.lose(flight)
        else:
            changed, result = self._look(self._store, flight.operation)
            if not changed and flight.expiry[2] is not None:
                self._waiters.append(self._wake)
                return
            self._answers.answer(flight, result)
        self._timeline.cancel(flight.expiry)
        flight.expiry = None

    def _expire(self) -> None:
        assert self._flight.expiry is not None
        self._timeline.cancel(self._flight.expiry)
        self._wake()
