"""A connection on which an answer must be whole by a deadline: redis-py's timeout begins anew with each part of it."""

import math
import time
from socket import socket
from typing import Any

from redis import Connection

LEAST = 0.001


class DeadlineConnection(Connection):
    """Like any other until `ends` is set, in seconds of `time.monotonic`."""

    ends = math.inf

    def _connect(self) -> Any:
        return _Socket(self, super()._connect())


class _Socket:
    """A socket that receives until its connection's deadline, and is otherwise what it was."""

    def __init__(self, connection: DeadlineConnection, sock: socket) -> None:
        self._connection, self._sock = connection, sock

    def recv(self, size: int) -> bytes:
        timeout, left = self._sock.gettimeout(), self._connection.ends - time.monotonic()
        if left < (math.inf if timeout is None else timeout):
            self._sock.settimeout(max(left, LEAST))
        return self._sock.recv(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)
