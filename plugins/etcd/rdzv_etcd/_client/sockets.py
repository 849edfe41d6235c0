"""TCP sockets, plain and TLS, that obey the current `CancelScope`; connecting them."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Any

from rdzv_etcd._client.scope import CancelScope, current_scope

# A network that loses every packet is told from an etcd that is slow: the latter's machine confirms what it received.
_OPTIONS = {
    "TCP_NODELAY": 1,
    "TCP_USER_TIMEOUT": 5000,  # milliseconds within which what was sent must be confirmed
    "TCP_KEEPIDLE": 5,  # seconds of silence before a probe is sent
    "TCP_KEEPINTVL": 2,
    "TCP_KEEPCNT": 3,
}


class PlainSocket(socket.socket):
    """A TCP socket whose sends and receives obey the current scope."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        receive = super().recv_into
        return _receive(self, lambda: receive(*args, **kwargs))

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        before_io(self, sending=True)
        super().sendall(*args, **kwargs)


class TlsSocket(ssl.SSLSocket):
    """The same over TLS."""

    def do_handshake(self, block: bool = False) -> None:
        before_io(self)
        super().do_handshake(block)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        receive = super().recv_into
        return _receive(self, lambda: receive(*args, **kwargs))

    def send(self, *args: Any, **kwargs: Any) -> int:  # called by SSLSocket.sendall, record by record
        before_io(self, sending=True)
        return super().send(*args, **kwargs)


def connect(scope: CancelScope, host: str, port: int) -> socket.socket:
    """Connect to the first address of `host` that answers, giving each an equal part of the time left for it."""
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = OSError(f"{host} has no address")
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = PlainSocket(family, kind, protocol)
        try:
            _set_options(sock)
            scope.before_connect(sock, len(addresses) - tried)
            sock.connect(address)
            refuse_itself(sock)
            scope.local_host = str(sock.getsockname()[0])
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure


def refuse_itself(sock: socket.socket) -> None:
    """Raise `ConnectionRefusedError` if `sock` is connected to itself; closing it frees the port at once.

    Where nobody listens on a port of the ephemeral range, the socket may be given that very port.
    """
    if sock.getsockname() == sock.getpeername():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


def before_io(sock: socket.socket, *, sending: bool = False) -> None:
    """Let `sock` block for the time that the current scope has left."""
    scope = current_scope()
    if scope is not None:
        scope.before_io(sock, sending=sending)


def _receive(sock: socket.socket, receive: Callable[[], int]) -> int:
    scope = current_scope()
    return receive() if scope is None else scope.receive(sock, receive)


def _set_options(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS.items():
        if hasattr(socket, name):  # each system knows some of them
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
