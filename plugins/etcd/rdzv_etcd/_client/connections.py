"""HTTP connections over the sockets of this package."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection

from rdzv_core.endpoint import HostPort
from rdzv_etcd._client import sockets
from rdzv_etcd._client.scope import current_scope

_connecting = threading.local()
"""The sockets of the TLS connection that this thread is making."""


def new_connection(endpoint: HostPort, tls: ssl.SSLContext | None) -> HTTPConnection:
    """Make a connection, not connected yet; proxies of the environment are not used."""
    if tls is None:
        return _PlainConnection(endpoint.host, endpoint.port)
    tls.sslsocket_class = _TlsSocket
    return _TlsConnection(endpoint.host, endpoint.port, ssl_context=tls)


class _PlainConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self.host, self.port)


class _TlsSocket(sockets.TlsSocket):
    def __new__(cls, *args: Any, **kwargs: Any) -> _TlsSocket:
        made = super().__new__(cls, *args, **kwargs)
        _connecting.wrapped = made
        return made


class _TlsConnection(HTTPSConnection):
    def connect(self) -> None:
        """Connect and shake hands; if that fails, the sockets are closed at once.

        `SSLSocket` leaves that to the garbage collector where the connection was reset before the handshake.
        """
        _connecting.plain = _connecting.wrapped = None
        try:
            super().connect()
        except BaseException:
            for sock in (_connecting.plain, _connecting.wrapped):
                if sock is not None:
                    sock.close()
            raise
        finally:
            _connecting.plain = _connecting.wrapped = None

    def _new_conn(self) -> socket.socket:
        sock = _connect(self.host, self.port)
        _connecting.plain = sock
        return sock


def _connect(host: str, port: int) -> socket.socket:
    scope = current_scope()
    assert scope is not None
    return sockets.connect(scope, host, port)
