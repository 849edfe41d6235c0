"""HTTP connections that obey one deadline for the whole exchange, and that another thread can cut short.

An ordinary socket timeout starts anew with every byte, so an answer that trickles never ends. Here every receive and
every send asks the present call how much of its time is left.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
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
        self.local_host = ""
        """This end's address of the connection that was made for the call; empty where one was there already."""
        self._until = self._connect_until = deadline
        self._silence = float("inf")
        self._look: Callable[[], None] = _nothing
        self._outer: Call | None = None
        self._cancelled = False
        self._sock: socket.socket | None = None
        self._pid = os.getpid()

    def begin_attempt(self, limit: float = float("inf"), connect_limit: float = float("inf")) -> None:
        """Start an attempt that may take `limit` seconds, its connecting `connect_limit`, and no more than is left."""
        self.sent = False
        self._sock = None
        now = time.monotonic()
        self._until = min(self.deadline, now + limit)
        self._connect_until = min(self._until, now + connect_limit)

    def on_silence(self, every: float, look: Callable[[], None]) -> None:
        """Have `look` called whenever nothing was received for `every` seconds; what it raises ends the receiving."""
        self._silence, self._look = every, look

    @property
    def cancelled(self) -> bool:
        """Whether the instance was closed."""
        return self._cancelled

    @property
    def time_left(self) -> float:
        """Seconds until the present attempt must end; negative when over."""
        return self._until - time.monotonic()

    def guard(self, sock: socket.socket, *, sending: bool = False) -> None:
        """Allow `sock` to block for what is left of the time; raises `TimeoutError` or `CallCancelledError`."""
        self._allow(sock, self.time_left)
        self.sent = self.sent or sending

    def guard_connect(self, sock: socket.socket, shares: int) -> None:
        """Allow `sock` one of `shares` equal parts of what is left of the time for connecting; raises as `guard`."""
        self._allow(sock, (self._connect_until - time.monotonic()) / shares)

    def receive(self, sock: socket.socket, receive: Callable[[], int]) -> int:
        """Receive from `sock` with what is left of the time, looking around in every silence; raises as `guard`."""
        while True:
            self._allow(sock, min(self.time_left, self._silence))
            try:
                return receive()
            except TimeoutError as error:
                if error.errno is not None or self.time_left <= 0:  # a number: the connection itself is broken
                    raise
            self._look()

    def _allow(self, sock: socket.socket, left: float) -> None:
        self._sock = sock
        if self._cancelled:  # looked at after _sock is set, as `cancel` looks at _sock after setting it: none is lost
            raise CallCancelledError("closed")
        if left <= 0:
            raise TimeoutError("timed out")
        sock.settimeout(left)

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
        self._outer = getattr(_present, "call", None)  # one that looks around
        _present.call = self
        return self

    def __exit__(self, *_: object) -> None:
        _present.call = self._outer


def _nothing() -> None:
    """Look at nothing."""


def _guard(sock: socket.socket, *, sending: bool = False) -> None:
    call: Call | None = getattr(_present, "call", None)
    if call is not None:
        call.guard(sock, sending=sending)


def _receive(sock: socket.socket, receive: Callable[[], int]) -> int:
    call: Call | None = getattr(_present, "call", None)
    return receive() if call is None else call.receive(sock, receive)


class _PlainSocket(socket.socket):
    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        receive = super().recv_into
        return _receive(self, lambda: receive(*args, **kwargs))

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        _guard(self, sending=True)
        super().sendall(*args, **kwargs)


class _TlsSocket(ssl.SSLSocket):
    def __new__(cls, *args: Any, **kwargs: Any) -> _TlsSocket:
        made = super().__new__(cls, *args, **kwargs)
        _present.wrapped = made
        return made

    def do_handshake(self, block: bool = False) -> None:
        _guard(self)
        super().do_handshake(block)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        receive = super().recv_into
        return _receive(self, lambda: receive(*args, **kwargs))

    def send(self, *args: Any, **kwargs: Any) -> int:  # what SSLSocket.sendall calls, record by record
        _guard(self, sending=True)
        return super().send(*args, **kwargs)


class _PlainConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self.host, self.port)


class _TlsConnection(HTTPSConnection):
    def connect(self) -> None:
        """Connect and shake hands; a socket that this does not get done with is closed at once.

        `SSLSocket` leaves that to the garbage collector where the connection was reset before it begins.
        """
        _present.plain = _present.wrapped = None
        try:
            super().connect()
        except BaseException:
            for sock in (_present.plain, _present.wrapped):
                if sock is not None:
                    sock.close()
            raise
        finally:
            _present.plain = _present.wrapped = None

    def _new_conn(self) -> socket.socket:
        sock = _connect(self.host, self.port)
        _present.plain = sock
        return sock


def new_connection(endpoint: HostPort, tls: ssl.SSLContext | None) -> HTTPConnection:
    """Make a connection, not connected yet; no proxy of the environment is used."""
    if tls is None:
        return _PlainConnection(endpoint.host, endpoint.port)
    tls.sslsocket_class = _TlsSocket
    return _TlsConnection(endpoint.host, endpoint.port, ssl_context=tls)


# A network that loses every packet is told from an etcd that is slow: the latter's machine confirms what it received.
_OPTIONS = {
    "TCP_NODELAY": 1,
    "TCP_USER_TIMEOUT": 5000,  # milliseconds in which what was sent must be confirmed
    "TCP_KEEPIDLE": 5,  # seconds of silence, after which a probe is sent
    "TCP_KEEPINTVL": 2,
    "TCP_KEEPCNT": 3,
}


def _set_options(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS.items():
        if hasattr(socket, name):  # each system knows some of them
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _refuse_itself(sock: socket.socket) -> None:
    """Raise `ConnectionRefusedError` for a connection to itself; the port is free as soon as that is closed.

    Where nobody listens on a port that the system hands out, the socket may be given that very port.
    """
    if sock.getsockname() == sock.getpeername():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


def _connect(host: str, port: int) -> socket.socket:
    """Connect to the first address of `host` that answers, each given an equal part of the time for it."""
    call: Call = _present.call
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = OSError(f"{host} has no address")
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = _PlainSocket(family, kind, protocol)
        try:
            _set_options(sock)
            call.guard_connect(sock, len(addresses) - tried)
            sock.connect(address)
            _refuse_itself(sock)
            call.local_host = str(sock.getsockname()[0])
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure
