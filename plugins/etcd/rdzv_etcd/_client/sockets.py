"""TCP sockets, plain and TLS, that obey the current `CancelScope`; connecting them."""

from __future__ import annotations

import errno
import math
import os
import select
import socket
import ssl
import struct
from typing import Any

from urllib3.util.wait import wait_for_write

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
    """A TCP socket whose sends and receives obey the current scope.

    Once connected it blocks, and is only read when there is something: a timeout of its own would cost two system
    calls more for each send and each receive, and a switch of threads with each of them.
    """

    _poll: select.poll | None = None

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        receive, scope = super().recv_into, current_scope()
        if scope is None:
            return receive(*args, **kwargs)

        def receive_within(seconds: float) -> int:
            if not self._is_readable(seconds):
                raise TimeoutError("timed out")
            return receive(*args, **kwargs)

        return scope.receive(self, receive_within)

    def sendall(self, data: Any, *args: Any) -> None:
        scope, rest = current_scope(), memoryview(data).cast("B")
        if scope is None:
            super().sendall(data, *args)
            return
        while rest:
            left = scope.before_io(self, sending=True)
            try:
                rest = rest[super().send(rest, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                wait_for_write(self, left)

    @property
    def has_ended(self) -> bool:
        """Whether the other side has closed an idle connection, or sent what nobody has asked for."""
        return self._is_readable(0.0)

    def _is_readable(self, seconds: float) -> bool:
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self, select.POLLIN)
        return bool(self._poll.poll(math.ceil(1000 * seconds)))


class TlsSocket(ssl.SSLSocket):
    """The same over TLS, with timeouts of the socket's own."""

    def do_handshake(self, block: bool = False) -> None:
        set_timeout(self)
        super().do_handshake(block)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        receive, scope = super().recv_into, current_scope()
        if scope is None:
            return receive(*args, **kwargs)

        def receive_within(seconds: float) -> int:
            self.settimeout(seconds)
            return receive(*args, **kwargs)

        return scope.receive(self, receive_within)

    def send(self, *args: Any, **kwargs: Any) -> int:  # called by SSLSocket.sendall, record by record
        set_timeout(self, sending=True)
        return super().send(*args, **kwargs)


def connect(scope: CancelScope, host: str, port: int) -> socket.socket:
    """Connect to the first address of `host` that answers, giving each an equal part of the time left for it."""
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = OSError(f"{host} has no address")
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = PlainSocket(family, kind, protocol)
        try:
            _set_options(sock)
            sock.settimeout(scope.before_connect(sock, len(addresses) - tried))
            sock.connect(address)
            sock.settimeout(None)
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


def set_timeout(sock: socket.socket, *, sending: bool = False) -> None:
    """Let `sock` block for the time that the current scope has left."""
    scope = current_scope()
    if scope is not None:
        sock.settimeout(scope.before_io(sock, sending=sending))


def _set_options(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS.items():
        if hasattr(socket, name):  # each system knows some of them
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
