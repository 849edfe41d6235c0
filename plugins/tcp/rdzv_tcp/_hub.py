"""What the connections of a server share: the table, and who waits for which key. Runs on the server's loop alone."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from rdzv_tcp._table import Table
from rdzv_tcp._wire import encode

if TYPE_CHECKING:
    import asyncio

    from rdzv_tcp._peer import Peer

RECEIVE_BYTES = 256 * 1024


class Waiting:
    """One request that waits for a key to change."""

    __slots__ = ("key", "peer", "request_id", "timer")

    def __init__(self, peer: Peer, request_id: int, key: str) -> None:
        self.peer = peer
        self.request_id = request_id
        self.key = key
        self.timer: asyncio.TimerHandle | None = None


class Hub:
    """The shared part of a server."""

    def __init__(self) -> None:
        self.table = Table()
        self.peers: set[Peer] = set()
        self.server = f"process {os.getpid()} on {socket.gethostname()}"
        # One buffer serves all connections: the loop hands what was received on before it receives again.
        self.scratch = memoryview(bytearray(RECEIVE_BYTES))
        self._waiting: dict[str, set[Waiting]] = {}

    def wait(self, waiting: Waiting) -> None:
        """Answer `waiting` at the next change of its key."""
        self._waiting.setdefault(waiting.key, set()).add(waiting)

    def forget(self, waiting: Waiting) -> None:
        """Wait no more."""
        if waiting.timer is not None:
            waiting.timer.cancel()
        there = self._waiting.get(waiting.key)
        if there is not None:
            there.discard(waiting)
            if not there:
                del self._waiting[waiting.key]

    def changed(self, key: str) -> None:
        """Answer everybody who waits for `key`; the state is encoded once for all of them."""
        there = self._waiting.pop(key, None)
        if there is None:
            return
        body = encode(self.table.look(key))
        for waiting in there:
            waiting.peer.wake(waiting, body)
