"""HTTP connections that obey one deadline for the whole exchange, and that another thread can cut short.

An ordinary socket timeout starts anew with every byte, so an answer that trickles never ends. Here every receive and
every send asks the present call how much of its time is left.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection

from rdzv_core.endpoint import HostPort

_present = threading.local()


class CallCancelledError(OSError):
    """The instance was closed while the call was on its way."""


class Call:
    """One call of one thread: until when it may take, and the socket that it waits on. Used as a context manager.

    It takes no lock, so a fork at any moment leaves nothing locked in the child.
    """

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.sent = False
        """Whether any byte of the present attempt's request may have left this machine."""
        self._until = deadline
        self._cancelled = False
        self._sock: socket.socket | None = None
        self._pid = os.getpid()

    def begin_attempt(self, shares: int = 1) -> None:
        """Start an attempt that may take one of `shares` equal parts of the time left."""
        self.sent = False
        self._sock = None
        now = time.monotonic()
        self._until = now + (self.deadline - now) / shares

    @property
    def cancelled(self) -> bool:
        """Whether the instance was closed."""
        return self._cancelled

    @property
    def time_left(self) -> float:
        """Seconds until the present attempt must end; negative when over."""
        return self._until - time.monotonic()

    def guard(self, sock: socket.socket, *, sending: bool = False, shares: int = 1) -> None:
        """Allow `sock` to block for what is left of the time; raises `TimeoutError` or `CallCancelledError`."""
        self._sock = sock
        if self._cancelled:  # looked at after _sock is set, as `cancel` looks at _sock after setting it: none is lost
            raise CallCancelledError("closed")
        left = self.time_left
        if left <= 0:
            raise TimeoutError("timed out")
        self.sent = self.sent or sending
        sock.settimeout(left / shares)

    def cancel(self) -> None:
        """End the call from another thread, whatever it waits for on its socket."""
        self._cancelled = True
        sock = self._sock
        if sock is None or self._pid != os.getpid():  # a forked child must not cut its parent's connection
            return
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # not connected yet, or closed already: the next `guard` ends the call

    def __enter__(self) -> Call:
        _present.call = self
        return self

    def __exit__(self, *_: object) -> None:
        _present.call = None


def _guard(sock: socket.socket, *, sending: bool = False) -> None:
    call: Call | None = getattr(_present, "call", None)
    if call is not None:
        call.guard(sock, sending=sending)


class _PlainSocket(socket.socket):
    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        _guard(self)
        return super().recv_into(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        _guard(self, sending=True)
        super().sendall(*args, **kwargs)


class _TlsSocket(ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:
        _guard(self)
        super().do_handshake(block)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        _guard(self)
        return super().recv_into(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:  # what SSLSocket.sendall calls, record by record
        _guard(self, sending=True)
        return super().send(*args, **kwargs)


class _PlainConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self.host, self.port)


class _TlsConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self.host, self.port)


def new_connection(endpoint: HostPort, tls: ssl.SSLContext | None) -> HTTPConnection:
    """Make a connection, not connected yet; no proxy of the environment is used."""
    if tls is None:
        return _PlainConnection(endpoint.host, endpoint.port)
    tls.sslsocket_class = _TlsSocket
    return _TlsConnection(endpoint.host, endpoint.port, ssl_context=tls)


def _connect(host: str, port: int) -> socket.socket:
    """Connect to the first address of `host` that answers, each given an equal part of the time left."""
    call: Call = _present.call
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = OSError(f"{host} has no address")
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = _PlainSocket(family, kind, protocol)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            call.guard(sock, shares=len(addresses) - tried)
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure
