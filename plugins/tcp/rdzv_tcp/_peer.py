"""One connection, as the server sees it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque

from rdzv_tcp._frames import FrameReader
from rdzv_tcp._hub import Hub, Waiting
from rdzv_tcp._questions import Question, RegisterQuestion
from rdzv_tcp._wire import (
    MAX_FRAME_BYTES,
    MAX_HELLO_BYTES,
    PROTOCOL,
    Delete,
    Get,
    Hello,
    RawGet,
    RawSet,
    Refused,
    Request,
    Set,
    Wait,
    Welcome,
    WireError,
    decode_request,
    encode,
    frame,
)

HELLO_SECONDS = 10.0
MAX_WAITS = 16_384
MAX_WAIT_SECONDS = 3600.0

_log = logging.getLogger("rdzv_tcp")


class Peer(asyncio.BufferedProtocol):
    """Serves one client.

    What a connection can cost is bounded: one frame of at most 8 MiB coming in, about as much going out (a client
    that does not take its answers is not read from), and 16,384 waits.
    """

    transport: asyncio.Transport

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._reader: FrameReader[Request] = FrameReader(decode_request, MAX_HELLO_BYTES)
        self._greeted = False
        self._paused = False
        self._waiting: set[Waiting] = set()
        self._due: deque[Waiting] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._hub.peers.add(self)
        # So that the connection of a machine that is gone ends some day.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._hello_timer = asyncio.get_running_loop().call_later(HELLO_SECONDS, transport.abort)

    def connection_lost(self, _: Exception | None) -> None:
        self._hub.peers.discard(self)
        self._hello_timer.cancel()
        self._hub.desk.lost(self)
        for waiting in self._waiting:
            self._hub.forget(waiting)
        self._waiting.clear()
        self._due.clear()

    def get_buffer(self, _: int) -> memoryview:
        return self._hub.scratch

    def buffer_updated(self, nbytes: int) -> None:
        self._reader.feed(self._hub.scratch[:nbytes])
        self._serve()

    def pause_writing(self) -> None:
        self._paused = True
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused = False
        while self._due and not self._paused:
            waiting = self._due.popleft()
            self.send(waiting.request_id, encode(waiting.question.answer()))
        if not self._paused:
            self._serve()
        if not self._paused:
            self.transport.resume_reading()

    def wake(self, waiting: Waiting, body: bytes) -> None:
        """Answer a wait whose key has changed; a client that is behind gets the state of when it has caught up."""
        if waiting.timer is not None:
            waiting.timer.cancel()
        self._waiting.discard(waiting)
        if self._paused:
            self._due.append(waiting)
        else:
            self.send(waiting.request_id, body)

    def _serve(self) -> None:
        try:
            while not self._paused and not self.transport.is_closing() and (taken := self._reader.take()) is not None:
                self._handle(*taken)
        except WireError as error:
            self._refuse(str(error))

    def _handle(self, request_id: int, request: Request) -> None:
        if isinstance(request, Hello):
            self._greet(request_id, request)
        elif not self._greeted:
            raise WireError("the first message must be a hello")
        elif isinstance(request, Wait):
            self.ask(request_id, RegisterQuestion(self._hub.table, request), request.seconds)
        elif isinstance(request, (Get, Set, Delete, RawGet, RawSet)):
            self._answer(request_id, request)
        else:
            self._hub.desk.serve(self, request_id, request)

    def _answer(self, request_id: int, request: Get | Set | Delete | RawGet | RawSet) -> None:
        table = self._hub.table
        if isinstance(request, Get):
            self.send(request_id, encode(table.get(request)))
            return
        if isinstance(request, RawGet):
            self.send(request_id, encode(table.raw_get(request)))
            return
        before = table.token(request.key)
        if isinstance(request, Set):
            answer = table.set(request)
        elif isinstance(request, Delete):
            answer = table.delete(request)
        else:
            answer = table.raw_set(request)
        # The writer's answer goes first: whoever is woken by the write competes with it for this thread.
        self.send(request_id, encode(answer))
        if table.token(request.key) != before:
            self._hub.changed(request.key)

    def _greet(self, request_id: int, hello: Hello) -> None:
        if hello.protocol != PROTOCOL:
            raise WireError(
                f"this server speaks protocol version {PROTOCOL}, the client version {hello.protocol}: "
                "install the same version of rdzv-tcp on both sides"
            )
        self._greeted = True
        self._reader.limit = MAX_FRAME_BYTES
        self._hello_timer.cancel()
        self.send(request_id, encode(Welcome(PROTOCOL, self._hub.table.incarnation, self._hub.server)))

    def ask(self, request_id: int, question: Question, seconds: float) -> None:
        """Answer a question as soon as there is an answer, or after `seconds`."""
        topic = question.topic()
        if topic is None:
            self.send(request_id, encode(question.answer()))
        elif not seconds > 0:
            self.send(request_id, encode(question.in_vain()))
        else:
            if len(self._waiting) + len(self._due) >= MAX_WAITS:
                raise WireError(f"more than {MAX_WAITS} waits on one connection")
            waiting = Waiting(self, request_id, question, topic)
            waiting.timer = asyncio.get_running_loop().call_later(min(seconds, MAX_WAIT_SECONDS), self._expire, waiting)
            self._waiting.add(waiting)
            self._hub.wait(waiting)

    def _expire(self, waiting: Waiting) -> None:
        self._waiting.discard(waiting)
        self._hub.forget(waiting)
        self.send(waiting.request_id, encode(waiting.question.in_vain()))

    def send(self, request_id: int, body: bytes) -> None:
        """Send an answer, unless the connection is about to end."""
        if not self.transport.is_closing():
            self.transport.write(frame(request_id, body))

    def _refuse(self, reason: str) -> None:
        _log.info("rdzv tcp server: disconnecting %s: %s", self.transport.get_extra_info("peername"), reason)
        self.send(0, encode(Refused(PROTOCOL, reason)))
        self.transport.close()
        # A peer that does not even take the refusal is not waited for.
        asyncio.get_running_loop().call_later(HELLO_SECONDS, self.transport.abort)
