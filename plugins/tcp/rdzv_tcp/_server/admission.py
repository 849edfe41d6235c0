"""How many may connect: those that are served, and those that have not introduced themselves yet."""

from __future__ import annotations

from typing import Protocol

from rdzv_tcp._protocol.server_handshake import AccessDenied


class Abortable(Protocol):
    """A connection."""

    def abort(self) -> None:
        """End it at once."""


class ServerFull(AccessDenied):
    """There is no room now, and may be later."""


class Admission:
    """Counts a server's connections. One too many that has said hello is refused with a reason.

    Of those that have not, the oldest makes room for a new one: a peer that opens connections and says nothing,
    however many, cannot keep out a client that says hello at once.
    """

    def __init__(self, max_connections: int, max_strangers: int) -> None:
        self._max_connections = max_connections
        self._max_strangers = max_strangers
        self._strangers: dict[Abortable, None] = {}
        self._served: set[Abortable] = set()

    def __len__(self) -> int:
        return len(self._strangers) + len(self._served)

    def arrived(self, connection: Abortable) -> None:
        """Count a new connection."""
        self._strangers[connection] = None
        if len(self._strangers) > self._max_strangers:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.abort()

    def admit(self, connection: Abortable) -> None:
        """Count a connection among those that are served. Raises `ServerFull` if there is no room."""
        if len(self._served) >= self._max_connections:
            raise ServerFull(
                f"this server has {len(self._served)} connections and takes no more: "
                "close some, or raise its limit of open files (ulimit -n)"
            )
        self._strangers.pop(connection, None)
        self._served.add(connection)

    def left(self, connection: Abortable) -> None:
        """Stop counting a connection."""
        self._strangers.pop(connection, None)
        self._served.discard(connection)
