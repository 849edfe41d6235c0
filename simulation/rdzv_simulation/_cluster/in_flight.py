"""One operation that a node has sent, until it is answered or has failed."""

from __future__ import annotations

from typing import Protocol

from rdzv_core._handler import operations
from rdzv_simulation._cluster.timeline import Event


class Sender(Protocol):
    """A node, as the network knows it."""

    name: str

    def answered(self, operation: operations.Operation, result: object) -> None:
        """Take in the result of an operation."""

    def failed(self, operation: operations.Operation, error: Exception) -> None:
        """Take in the error of an operation."""

    def stall(self, seconds: float, why: str = "") -> None:
        """Freeze."""


class InFlight:
    """An operation under way. In the end it is settled exactly once.

    Its answer takes `back` seconds (None: it is lost); its sender gives up at `until`. It is `broken` once its
    connection has ended. `expiry` is when a wait at the store is over, as long as it waits there.
    """

    __slots__ = ("back", "broken", "expiry", "open", "operation", "sender", "sequence", "until")

    def __init__(
        self, sender: Sender, operation: operations.Operation, sequence: int, back: float | None, until: float
    ) -> None:
        self.sender: Sender = sender
        self.operation: operations.Operation = operation
        self.sequence: int = sequence
        self.back: float | None = back
        self.until: float = until
        self.open: bool = True
        self.broken: bool = False
        self.expiry: Event | None = None
