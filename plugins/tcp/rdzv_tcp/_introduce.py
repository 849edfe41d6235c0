"""What a client does on a new connection before it can ask anything: TLS, the hello, and the proofs of the secret."""

from __future__ import annotations

import hmac
import select
import socket
import ssl
import time
from collections.abc import Callable

from rdzv_core.endpoint import HostPort
from rdzv_tcp._call import Aborted, Call, Lost, Refusal, Silent
from rdzv_tcp._connection import Connection
from rdzv_tcp._frames import FrameReader
from rdzv_tcp._greeting import new_challenge, prove
from rdzv_tcp._server_messages import Challenge, Proof
from rdzv_tcp._tls import ClientTls, TlsPipe, is_tls, refusal_by_client
from rdzv_tcp._wire import MAX_HELLO_BYTES, PROTOCOL, Hello, Refused, Welcome, WireError, decode_answer

_SLICE = 0.1
_RECEIVE_BYTES = 65536


def start_tls(
    connected: socket.socket, endpoint: HostPort, tls: ClientTls, deadline: float, cancelled: Callable[[], bool]
) -> TlsPipe:
    """Do the handshake on a non-blocking socket. Raises `Refusal`, `Lost`, `Silent`, `Aborted` or `OSError`."""
    host = endpoint.host.partition("%")[0]
    pipe = TlsPipe(tls.context, host)
    received = b""
    first = True
    while True:
        try:
            done = pipe.shake_hands(received)
        except ssl.SSLError as error:
            _send(connected, pipe.to_send(), deadline, cancelled)
            raise Refusal(refusal_by_client(error, tls, host)) from error
        _send(connected, pipe.to_send(), deadline, cancelled)
        if done:
            return pipe
        received = _receive(connected, deadline, cancelled)
        if first and not is_tls(received):
            raise Refusal(f"this client speaks TLS (tls_ca), and the server plain text{_remark(received)}")
        first = False


def introduce(connection: Connection, secret: bytes | None, call: Call, deadline: float) -> Welcome:
    """Say hello and prove what has to be proved. Raises what `Connection.exchange` does, `Refusal` among it."""
    challenge = b"" if secret is None else new_challenge()
    answer = connection.exchange(call, Hello(PROTOCOL, challenge, connection.address), deadline)
    expected = b""
    if secret is not None:
        if isinstance(answer, Welcome):
            raise Refusal("this client has a secret (auth_token), and the server asked for no proof of it")
        if isinstance(answer, Challenge):
            expected = prove(secret, "server", challenge, answer.challenge)
            proof = Proof(prove(secret, "client", challenge, answer.challenge))
            answer = connection.exchange(call, proof, deadline)
    if not isinstance(answer, Welcome):
        raise Refusal(f"what answers there does not speak rdzv's protocol: it met a hello with {answer!r:.60}")
    if answer.protocol != PROTOCOL:
        raise Refusal(
            f"the server ({answer.server}) speaks protocol version {answer.protocol}, this client {PROTOCOL}: "
            "install the same version of rdzv-tcp on both sides"
        )
    if not hmac.compare_digest(answer.proof, expected):
        raise Refusal(f"the server ({answer.server}) has not proved that it knows this client's secret (auth_token)")
    return answer


def _remark(received: bytes) -> str:
    """Give what a plain text server said about it."""
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
            raise Lost("the server closed the connection during the TLS handshake")
        return received


def _await(connected: socket.socket, event: int, deadline: float, cancelled: Callable[[], bool]) -> None:
    poll = select.poll()
    poll.register(connected, event)
    while not poll.poll(max(0.0, min(_SLICE, deadline - time.monotonic())) * 1000):
        if cancelled():
            raise Aborted
        if time.monotonic() >= deadline:
            raise Silent("the connection is accepted, but the TLS handshake is not answered")
