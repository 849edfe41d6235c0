"""The TLS handshake of a client, on a non-blocking socket, within a time."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Callable

from rdzv_core.endpoint import HostPort
from rdzv_tcp._client.errors import CallAborted, ConnectionLost, NoAnswer, Rejected
from rdzv_tcp._net.tls import ClientTls, TlsPipe, is_tls, refusal_by_client
from rdzv_tcp._protocol import MAX_HELLO_BYTES, FrameReader, Refused, WireError, decode_answer

_SLICE = 0.1
_RECEIVE_BYTES = 65536


def start_tls(
    connected: socket.socket, endpoint: HostPort, tls: ClientTls, deadline: float, cancelled: Callable[[], bool]
) -> TlsPipe:
    """Return the encrypted pipe over a connected socket. Raises a `CallFailed`, or `OSError`."""
    host = endpoint.host.partition("%")[0]
    pipe = TlsPipe(tls.context, host)
    received = b""
    first = True
    while True:
        try:
            done = pipe.shake_hands(received)
        except ssl.SSLError as error:
            _send(connected, pipe.to_send(), deadline, cancelled)
            raise Rejected(refusal_by_client(error, tls, host)) from error
        _send(connected, pipe.to_send(), deadline, cancelled)
        if done:
            return pipe
        received = _receive(connected, deadline, cancelled)
        if first and not is_tls(received):
            raise Rejected(f"this client speaks TLS (tls_ca), and the server speaks plain text{_remark(received)}")
        first = False


def _remark(received: bytes) -> str:
    """Return what a plain text server said about it."""
    frames = FrameReader(decode_answer, MAX_HELLO_BYTES)
    frames.feed(received)
    try:
        taken = frames.take()
    except WireError:
        return ""
    return f": {taken[1].reason}" if taken is not None and isinstance(taken[1], Refused) else ""


def _send(connected: socket.socket, data: bytes, deadline: float, cancelled: Callable[[], bool]) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[connected.send(rest) :]
        except BlockingIOError:
            _await(connected, select.POLLOUT, deadline, cancelled)


def _receive(connected: socket.socket, deadline: float, cancelled: Callable[[], bool]) -> bytes:
    while True:
        try:
            received = connected.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            _await(connected, select.POLLIN, deadline, cancelled)
            continue
        if not received:
            raise ConnectionLost("the server closed the connection during the TLS handshake")
        return received


def _await(connected: socket.socket, event: int, deadline: float, cancelled: Callable[[], bool]) -> None:
    poll = select.poll()
    poll.register(connected, event)
    while not poll.poll(max(0.0, min(_SLICE, deadline - time.monotonic())) * 1000):
        if cancelled():
            raise CallAborted
        if time.monotonic() >= deadline:
            raise NoAnswer("the connection is accepted, but the TLS handshake is not answered")
