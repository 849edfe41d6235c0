"""How many may connect: those who are served, and those who have not said yet who they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rdzv_tcp._protocol.server_handshake import AccessDenied

if TYPE_CHECKING:
    from rdzv_tcp._server.connection import Peer


class ServerFull(AccessDenied):
    """There is no room now, and may be later."""


class Admission:
    """Counts a server's connections. One too many who has said hello is refused with a reason.

    Of those who have not, the oldest makes room for a new one: whoever opens connections and says nothing, however
    many, cannot keep out a client that says hello at once.
    """

    def __init__(self, max_connections: int, max_strangers: int) -> None:
        self._max_connections = max_connections
        self._max_strangers = max_strangers
        self._strangers: dict[Peer, None] = {}
        self._served: set[Peer] = set()

    def arrived(self, peer: Peer) -> None:
        """Count a new connection."""
        self._strangers[peer] = None
        if len(self._strangers) > self._max_strangers:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.transport.abort()

    def admit(self, peer: Peer) -> None:
        """Count a connection among those that are served; raises `ServerFull` if there is no room."""
        if len(self._served) >= self._max_connections:
            raise ServerFull(
                f"this server has {len(self._served)} connections and takes no more: "
                "close some, or raise its limit of open files (ulimit -n)"
            )
        self._strangers.pop(peer, None)
        self._served.add(peer)

    def left(self, peer: Peer) -> None:
        """Count a connection no more."""
        self._strangers.pop(peer, None)
        self._served.discard(peer)
