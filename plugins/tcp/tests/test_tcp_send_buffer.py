"""Sending without waiting: whoever reads is never held up by a server that reads nothing."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from rdzv_tcp import TcpBackend
from rdzv_tcp._backend import server_of, session_of
from rdzv_tcp._client.connection import ClientConnection
from rdzv_tcp._client.errors import CallAborted, ConnectionLost, NoAnswer
from rdzv_tcp._client.pending_calls import Ask, PendingCall, Steps, SubmittedCall
from rdzv_tcp._client.send_buffer import SendBuffer
from rdzv_tcp._protocol import Done, Found, FrameReader, Get, Request, Set, decode_request, framed
from rdzv_tcp._server.server import probe

NONCE = bytes(16)
PATIENCE = 20.0
MUCH = 64 * 1024
CALLS = 200


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a connection with little room on the way; nothing waits at the first, the other has patience."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as ours:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MUCH)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MUCH)
        ours.connect(listener.getsockname())
        theirs, _ = listener.accept()
        with theirs:
            ours.setblocking(False)
            theirs.settimeout(PATIENCE)
            yield ours, theirs


def test_what_does_not_fit_is_sent_later_and_in_order(ends: tuple[socket.socket, socket.socket]) -> None:
    """The socket takes a part, the rest goes out as the other side reads; nothing is lost or overtaken."""
    ours, theirs = ends
    outbox = SendBuffer(ours, None)
    sent = [bytes([number]) * 300_000 for number in range(10)]
    for data in sent:
        outbox.send(data)
    assert outbox.waiting
    received = bytearray()
    while len(received) < 3_000_000:
        received += theirs.recv(MUCH)
        outbox.flush()
    assert received == b"".join(sent)
    assert not outbox.waiting


def test_what_is_gathered_goes_together(ends: tuple[socket.socket, socket.socket]) -> None:
    """While the answers that came together are taken in, what follows from them is kept, for one sending."""
    ours, theirs = ends
    outbox = SendBuffer(ours, None)
    outbox.gather()
    outbox.send(b"one")
    outbox.send(b"two")
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(6)
    assert not outbox.waiting  # for room: it waits for `flush`
    mark = outbox.send(b"three")
    assert not outbox.has_sent(mark)
    outbox.flush()
    assert theirs.recv(11) == b"onetwothree"
    assert outbox.has_sent(mark)


def test_sending_on_a_connection_that_was_lost_is_an_error(ends: tuple[socket.socket, socket.socket]) -> None:
    """It says so at once, or when what was kept is sent."""
    ours, _ = ends
    outbox = SendBuffer(ours, None)
    ours.shutdown(socket.SHUT_WR)
    with pytest.raises(BrokenPipeError):
        outbox.send(b"x")
    outbox.gather()
    outbox.send(b"x")
    with pytest.raises(BrokenPipeError):
        outbox.flush()


class Stubborn(threading.Thread):
    """A server that sends all its answers before it reads the next request, as one does that is behind."""

    def __init__(self, theirs: socket.socket) -> None:
        super().__init__(daemon=True)
        self._theirs = theirs
        self._frames: FrameReader[Request] = FrameReader(decode_request, 1024 * 1024)
        self.failed: Exception | None = None

    def run(self) -> None:
        try:
            asked = [self._next() for _ in range(CALLS)]
            for number, _ in asked:
                self._theirs.sendall(framed(number, Found(bytes(MUCH), NONCE)))
            for _ in range(CALLS):
                number, request = self._next()
                assert isinstance(request, Set)
                self._theirs.sendall(framed(number, Done()))
        except Exception as error:  # noqa: BLE001 - it is looked at in the test
            self.failed = error

    def _next(self) -> tuple[int, Request]:
        while (taken := self._frames.take()) is None:
            self._frames.feed(self._theirs.recv(MUCH))
        return taken


class Submitter:
    """What a client is to submitted calls, on one connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    def submit(self, call: SubmittedCall) -> None:
        self._connection.submit(call, call.ask.make())

    def lost(self, call: SubmittedCall, error: Exception) -> None:
        call.end(None, error)


def test_a_reader_whose_answers_lead_to_requests_does_not_wait_for_room(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    """Each answer leads to a large request while the server still sends: neither waits for the other, and all ends."""
    ours, theirs = ends
    server = Stubborn(theirs)
    server.start()
    connection = ClientConnection(ours)
    ended: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def steps() -> Steps[None]:
        yield Ask(lambda: Get("key"), PATIENCE)
        yield Ask(lambda: Set("key", bytes(MUCH), NONCE, None), PATIENCE)

    client = Submitter(connection)
    for _ in range(CALLS):
        SubmittedCall(client, steps(), lambda _call, _result, error: ended.put(error)).begin()
    errors: list[Any] = [ended.get(timeout=2 * PATIENCE) for _ in range(CALLS)]
    connection.break_off(ConnectionLost("over"))
    server.join(PATIENCE)
    assert (errors, server.failed) == ([None] * CALLS, None)


def test_a_request_that_is_given_up_half_sent_is_never_completed(ends: tuple[socket.socket, socket.socket]) -> None:
    """Its connection ends instead: a write must not be done when nobody expects it any more."""
    ours, theirs = ends
    connection = ClientConnection(ours)
    with pytest.raises(NoAnswer):
        connection.exchange(PendingCall(), Set("key", bytes(4_000_000), NONCE, None), time.monotonic() + 0.2)
    assert connection.broken
    received = 0
    with contextlib.suppress(ConnectionResetError):
        while data := theirs.recv(MUCH):
            received += len(data)
    assert received < 4_000_000


def test_a_request_that_is_given_up_whole_harms_no_other(ends: tuple[socket.socket, socket.socket]) -> None:
    """Its answer is not waited for any more; the connection is as good as before, if anything came on it."""
    ours, theirs = ends
    connection = ClientConnection(ours)
    call = PendingCall()
    call_is_out = threading.Thread(target=lambda: (theirs.recv(MUCH), call.abort()))
    call_is_out.start()
    with pytest.raises(CallAborted):
        connection.exchange(call, Get("key"), time.monotonic() + PATIENCE)
    call_is_out.join()
    assert not connection.broken
    connection.break_off(ConnectionLost("over"))


def test_both_sides_send_at_once(backend: TcpBackend) -> None:
    """Nagle's algorithm is off: no answer waits for the one before it to be acknowledged, which may take 40 ms."""
    backend.get_state()
    server = server_of(backend)
    sockets = [peer.transport.get_extra_info("socket") for peer in probe(server).core.connections]
    sockets.append(session_of(backend).client.connection.socket)  # type: ignore[union-attr] # it is connected
    assert len(sockets) >= 2
    assert all(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for one in sockets)
