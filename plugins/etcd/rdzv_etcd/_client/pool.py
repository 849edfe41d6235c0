"""Connections kept open between calls."""

from __future__ import annotations

import os
import ssl

from urllib3.connection import HTTPConnection

from rdzv_core.endpoint import HostPort
from rdzv_etcd._client.connections import new_connection
from rdzv_etcd._client.sockets import PlainSocket

KEPT_PER_ENDPOINT = 8


class ConnectionPool:
    """Idle connections by endpoint, last used first. Thread-safe without a lock, and safe to fork at any moment.

    The child of a fork opens its own: two processes on one connection would read each other's answers.
    """

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        self._idle: dict[HostPort, list[HTTPConnection]] = {}
        self._pid = os.getpid()
        self._closed = False

    @property
    def idle_count(self) -> int:
        """How many idle connections are kept."""
        return sum(map(len, list(self._idle.values())))

    def acquire(self, endpoint: HostPort) -> HTTPConnection:
        """Return an idle connection that the other side has not closed, or a new one."""
        self._drop_inherited()
        idle = self._idle.setdefault(endpoint, [])
        while True:
            try:
                connection = idle.pop()
            except IndexError:
                return new_connection(endpoint, self._tls)
            if _is_connected(connection):
                return connection
            connection.close()

    def release(self, endpoint: HostPort, connection: HTTPConnection) -> None:
        """Keep a connection whose exchange is complete."""
        idle = self._idle.setdefault(endpoint, [])
        idle.append(connection)
        if self._closed:  # read after the append, as `close` empties the lists after setting it
            self._empty()
        elif len(idle) > KEPT_PER_ENDPOINT:
            idle.pop(0).close()

    def trim(self, kept: int) -> None:
        """Close idle connections, those used longest ago first, until no more than `kept` are left."""
        while self.idle_count > kept:
            fullest = max(list(self._idle.values()), key=len)
            try:
                fullest.pop(0).close()
            except IndexError:
                return  # another thread has taken it

    def close(self) -> None:
        """Close the idle connections, and from now on each one that is released."""
        self._closed = True
        self._drop_inherited()
        self._empty()

    def _empty(self) -> None:
        for idle in list(self._idle.values()):
            while idle:
                try:
                    idle.pop().close()
                except IndexError:
                    return

    def _drop_inherited(self) -> None:
        if self._pid != os.getpid():
            inherited, self._idle, self._pid = self._idle, {}, os.getpid()
            for connection in [connection for idle in inherited.values() for connection in idle]:
                connection.close()  # this process's descriptor only: the parent's connection stays open


def _is_connected(connection: HTTPConnection) -> bool:
    sock = connection.sock
    return not sock.has_ended if isinstance(sock, PlainSocket) else connection.is_connected
