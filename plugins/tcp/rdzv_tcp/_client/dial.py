"""Making a connection: one attempt at all addresses of an endpoint, up to the server's welcome."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from collections.abc import Callable

from rdzv_core.endpoint import HostPort
from rdzv_tcp._client.connection import ClientConnection
from rdzv_tcp._client.errors import CallAborted, ConnectionLost, NoAnswer, Rejected
from rdzv_tcp._client.pending_calls import PendingCall
from rdzv_tcp._client.resolver import Resolver
from rdzv_tcp._client.tls_handshake import start_tls
from rdzv_tcp._net.endpoint import Address
from rdzv_tcp._net.security import Credentials
from rdzv_tcp._protocol import Hello, Proof, Welcome
from rdzv_tcp._protocol.client_handshake import ClientHandshake, HandshakeError

_SLICE = 0.1
_CONNECT_SECONDS = 2.0
"""For how long a connection attempt may go unanswered before another is made.

The system itself repeats it ever more rarely: what comes back after an outage would be found late.
"""


def dial(lookup: Resolver, credentials: Credentials, call: PendingCall, deadline: float) -> ClientConnection:
    """Connect to the first address of an endpoint that welcomes this client.

    Raises the last address's `OSError`, `ConnectionLost` or `NoAnswer`; `Rejected` if what answers there is not a
    server to talk to; `CallAborted`.
    """
    addresses = lookup.addresses(call, deadline)
    failure: Exception | None = None
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        now = time.monotonic()
        share = now + max(0.0, deadline - now) / left
        try:
            connected = _connect(address, min(share, now + _CONNECT_SECONDS), lambda: call.aborted)
            return _greet(connected, lookup.endpoint, credentials, call, share)
        except (OSError, ConnectionLost, NoAnswer) as error:
            failure = error
    assert failure is not None
    raise failure


def _connect(address: Address, deadline: float, cancelled: Callable[[], bool]) -> socket.socket:
    connecting = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        connecting.setblocking(False)
        _establish(connecting, address, deadline, cancelled)
    except BaseException:
        connecting.close()
        raise
    return connecting


def _establish(connecting: socket.socket, address: Address, deadline: float, cancelled: Callable[[], bool]) -> None:
    result = connecting.connect_ex(address.sockaddr)
    if result == errno.EINPROGRESS:
        result = _await_outcome(connecting, address, deadline, cancelled)
    if result != 0:
        raise OSError(result, f"{os.strerror(result)}: {address}")
    if connecting.getsockname() == connecting.getpeername():
        # Nobody listens on a port that the system hands out, and the socket got that very port: it met itself. Ended by
        # a reset: after an orderly close nobody could bind the port for a minute, the host of this endpoint included.
        connecting.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionRefusedError(errno.ECONNREFUSED, f"nobody listens: {address}")


def _await_outcome(connecting: socket.socket, address: Address, deadline: float, cancelled: Callable[[], bool]) -> int:
    writable = select.poll()
    writable.register(connecting, select.POLLOUT)
    while not writable.poll(max(0.0, min(_SLICE, deadline - time.monotonic())) * 1000):
        if cancelled():
            raise CallAborted
        if time.monotonic() >= deadline:
            raise TimeoutError(errno.ETIMEDOUT, f"no answer to the connection attempt: {address}")
    return connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def _greet(
    connected: socket.socket, endpoint: HostPort, credentials: Credentials, call: PendingCall, deadline: float
) -> ClientConnection:
    tls = credentials.tls
    try:
        pipe = None if tls is None else start_tls(connected, endpoint, tls, deadline, lambda: call.aborted)
        connection = ClientConnection(connected, pipe)
    except BaseException:
        connected.close()
        raise
    try:
        welcome = _handshake(connection, credentials.secret, call, deadline)
    except NoAnswer:
        connection.break_off(NoAnswer("no welcome"))
        raise NoAnswer("the connection is accepted, but nothing answers on it") from None
    except BaseException as error:
        connection.break_off(ConnectionLost(str(error)))
        raise
    connection.incarnation, connection.server = welcome.incarnation, welcome.server
    connection.durable, connection.guarded = welcome.durable, welcome.guarded and tls is not None
    return connection


def _handshake(connection: ClientConnection, secret: bytes | None, call: PendingCall, deadline: float) -> Welcome:
    """Go through the handshake. Raises a `CallFailed`."""
    handshake = ClientHandshake(secret, connection.address)
    message: Hello | Proof | Welcome = handshake.hello()
    try:
        while not isinstance(message, Welcome):
            message = handshake.take(connection.exchange(call, message, deadline))
    except HandshakeError as error:
        raise Rejected(str(error)) from error
    return message
