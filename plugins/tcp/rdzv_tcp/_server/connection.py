"""One connection, as the server sees it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from typing import cast

from rdzv_tcp._net.endpoint import address_of
from rdzv_tcp._net.tls import is_tls
from rdzv_tcp._protocol import (
    MAX_FRAME_BYTES,
    MAX_HELLO_BYTES,
    PROTOCOL,
    Answer,
    Delete,
    FrameReader,
    Get,
    HealthRequest,
    Hello,
    ListKeys,
    Proof,
    RawGet,
    RawSet,
    Refused,
    Renew,
    Request,
    Set,
    Wait,
    Welcome,
    WireError,
    decode_request,
    encode,
    frame,
    framed,
)
from rdzv_tcp._protocol.server_handshake import AccessDenied, ServerHandshake
from rdzv_tcp._server.admission import ServerFull
from rdzv_tcp._server.hub import Hub, Waiter
from rdzv_tcp._server.wait_requests import RegisterWait, WaitRequest

HELLO_SECONDS = 10.0
MAX_WAITS = 16_384
MAX_WAIT_BYTES = 16 * 1024 * 1024
MAX_WAIT_SECONDS = 3600.0
MAX_UNCOMMITTED_BYTES = 1024 * 1024

TOGETHER_BYTES = 64 * 1024
"""Answers that are ready together are sent together up to about this many bytes."""


class Peer(asyncio.BufferedProtocol):
    """Serves one client.

    What a connection can cost is bounded: one frame of at most 8 MiB coming in, about as much going out (a client
    that does not take its answers is not read from), and 16,384 waits, which hold 16 MiB at most.
    """

    # There are thousands of these: the less of each a request looks at, the better for the processor's caches.
    __slots__ = (
        "_due",
        "_greeted",
        "_greeting",
        "_hello_timer",
        "_hub",
        "_paused",
        "_reader",
        "_silent",
        "_together",
        "_uncommitted",
        "_waiting",
        "_waiting_bytes",
        "direct",
        "heard",
        "said_end",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._reader: FrameReader[Request] = FrameReader(decode_request, MAX_HELLO_BYTES)
        self._greeting = ServerHandshake(hub.settings.secret, hub.welcome)
        self.direct = False
        """Whether the client's process is at the other end, and no proxy, whose end would say nothing of the client."""
        self.said_end = False
        """Whether its end came from the other side, in order: so a process ends, also one that is killed."""
        self.heard = 0
        """How often something was received."""
        self._silent = True
        self._greeted = False
        self._uncommitted = 0
        self._paused = False
        self._together: bytearray | None = None
        self._waiting: set[Waiter] = set()
        self._waiting_bytes = 0
        self._due: deque[Waiter] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not every loop's transport is of the class; each has its methods.
        self.transport = cast(asyncio.Transport, transport)
        self._hub.peers.add(self)
        self._hub.lobby.arrived(self)
        # So that the connection of a machine that is gone ends some day.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._hello_timer = asyncio.get_running_loop().call_later(HELLO_SECONDS, self.transport.abort)

    def connection_lost(self, _: Exception | None) -> None:
        self._hub.peers.discard(self)
        self._hub.lobby.left(self)
        self._hub.crowd.leave(self)
        self._hello_timer.cancel()
        self._hub.desk.lost(self)
        for waiting in self._waiting:
            self._hub.forget(waiting)
        self._waiting.clear()
        self._due.clear()

    def eof_received(self) -> None:
        self.said_end = not self.transport.is_closing()  # what follows an end from here is no word of the client

    @property
    def descriptor(self) -> int:
        """The descriptor of its socket."""
        return int(self.transport.get_extra_info("socket").fileno())

    def get_buffer(self, _: int) -> memoryview:
        return self._hub.scratch

    def buffer_updated(self, nbytes: int) -> None:
        self.heard += 1
        if self._silent:
            self._silent = False
            if is_tls(self._hub.scratch[:nbytes]):
                self._refuse(
                    AccessDenied(
                        "this server speaks plain text, and the client TLS: give the server tls_cert and tls_key"
                    )
                )
                return
        if self.transport.is_closing():
            return
        self._reader.feed(self._hub.scratch[:nbytes])
        if self.blocked:
            self._reader.keep()
        else:
            self._serve()

    def pause_writing(self) -> None:
        self._paused = True
        self._stop_reading()

    def resume_writing(self) -> None:
        self._paused = False
        self._go_on()

    def hold(self, size: int) -> None:
        """Note that a write of `size` bytes waits for the disk: not too many may."""
        self._uncommitted += size
        if self._uncommitted > MAX_UNCOMMITTED_BYTES:
            self._stop_reading()

    def _stop_reading(self) -> None:
        self._hub.crowd.rouse(self)
        self.transport.pause_reading()

    def release(self, request_id: int, body: bytes, size: int) -> None:
        """Answer a write that waited for the disk."""
        held_up = self._uncommitted > MAX_UNCOMMITTED_BYTES
        self._uncommitted -= size
        self.send(request_id, body)
        if held_up and not self.blocked and not self.transport.is_closing():
            self._go_on()

    @property
    def blocked(self) -> bool:
        """Whether nothing is to be read from it for now."""
        return self._paused or self._uncommitted > MAX_UNCOMMITTED_BYTES

    def _go_on(self) -> None:
        while self._due and not self._paused:
            waiting = self._due.popleft()
            self._waiting_bytes -= waiting.size
            self.send(waiting.request_id, encode(waiting.question.answer()))
        if not self.blocked and not self.transport.is_closing():
            self._serve()
        if not self.blocked:
            self.transport.resume_reading()

    def wake(self, answers: list[tuple[Waiter, bytes]]) -> None:
        """Answer waits whose topic has changed; a client that is behind gets the state of when it has caught up."""
        alone = len(answers) == 1 or not self._gather()
        for waiting, body in answers:
            waiting.stop_alarm()
            self._waiting.discard(waiting)
            if self._paused:
                self._due.append(waiting)
            else:
                self._waiting_bytes -= waiting.size
                self.send(waiting.request_id, body)
        if not alone:
            self._send_gathered()

    def _serve(self) -> None:
        """Answer what has arrived; not to be called while blocked."""
        gathering = False
        try:
            while (taken := self._reader.take()) is not None:
                if not gathering and self._reader.more:
                    gathering = self._gather()
                self._handle(*taken)
                if self.blocked or self.transport.is_closing() or not self._reader.more:
                    break
            self._reader.keep()
        except WireError as error:
            self._refuse(error)
        if gathering:
            self._send_gathered()

    def _handle(self, request_id: int, request: Request) -> None:
        if not self._greeted:
            self._greet(request_id, request)
        elif isinstance(request, Renew):
            self._hub.desk.renew(self, request_id, request)
        elif isinstance(request, Get):
            self.answer(request_id, self._hub.table.look(request.key))
        elif isinstance(request, Wait):
            self.ask(request_id, RegisterWait(self._hub.table, request), request.seconds)
        elif isinstance(request, (Set, Delete, RawGet, RawSet)):
            self._answer(request_id, request)
        elif isinstance(request, (Hello, Proof)):
            raise WireError("this connection has been introduced already")
        elif isinstance(request, ListKeys):
            self.answer(request_id, self._hub.table.list_keys(request))
        elif isinstance(request, HealthRequest):
            self.send(request_id, encode(self._hub.health()))
        else:
            self._hub.desk.serve(self, request_id, request)

    def _answer(self, request_id: int, request: Set | Delete | RawGet | RawSet) -> None:
        table = self._hub.table
        if isinstance(request, RawGet):
            self.answer(request_id, table.raw_get(request))
            return
        if self._hub.committer is not None:
            self._hub.committer.submit(self, request_id, request)
            return
        before = table.token(request.key)
        answer = table.write(request)
        # The writer's answer goes first: whoever is woken by the write competes with it for this thread.
        self.send(request_id, encode(answer))
        if table.token(request.key) != before:
            self._hub.changed(request.key, self)

    def _greet(self, request_id: int, request: Request) -> None:
        answer = self._greeting.take(request)
        if isinstance(request, Hello):
            seen = address_of(self.transport.get_extra_info("peername"))
            self.direct = bool(seen) and request.address == seen
        if isinstance(answer, Welcome):
            self._hub.lobby.admit(self)
            self._greeted = True
            self._reader.limit = MAX_FRAME_BYTES
            self._hello_timer.cancel()
            if self._hub.settings.tls is None:
                self._hub.crowd.join(self)
        self.send(request_id, encode(answer))

    def ask(self, request_id: int, question: WaitRequest, seconds: float) -> None:
        """Answer a question as soon as there is an answer, or after `seconds`."""
        topic = question.topic()
        if topic is None:
            self.send(request_id, encode(question.answer()))
        elif not seconds > 0:
            self.send(request_id, encode(question.in_vain()))
        else:
            if len(self._waiting) + len(self._due) >= MAX_WAITS:
                raise WireError(f"more than {MAX_WAITS} waits on one connection")
            waiting = Waiter(self, request_id, question, topic)
            if self._waiting_bytes + waiting.size > MAX_WAIT_BYTES:
                raise WireError(f"waits for more than {MAX_WAIT_BYTES} bytes of keys on one connection")
            self._waiting_bytes += waiting.size
            self._hub.alarms.set(waiting, min(seconds, MAX_WAIT_SECONDS))
            self._waiting.add(waiting)
            self._hub.wait(waiting)

    def expire(self, waiting: Waiter) -> None:
        """Answer a wait whose time is over."""
        self._waiting.discard(waiting)
        self._waiting_bytes -= waiting.size
        self._hub.forget(waiting)
        self.send(waiting.request_id, encode(waiting.question.in_vain()))

    def send(self, request_id: int, body: bytes) -> None:
        """Send an answer, unless the connection is about to end."""
        self._write(frame(request_id, body))

    def answer(self, request_id: int, answer: Answer) -> None:
        """The same for an answer that is for this client alone."""
        self._write(framed(request_id, answer))

    def flush(self) -> None:
        """Send what was to be sent together so far."""
        if self._together:
            together, self._together = self._together, bytearray()
            self._transmit(together)

    def _gather(self) -> bool:
        """Send what comes together, until `_send_gathered`; False if that is being done already."""
        if self._together is not None:
            return False
        self._together = bytearray()
        return True

    def _send_gathered(self) -> None:
        self.flush()
        self._together = None

    def _write(self, data: bytes | bytearray) -> None:
        if self._together is None:
            self._transmit(data)
        elif len(self._together) + len(data) <= TOGETHER_BYTES:
            self._together += data
        else:
            self.flush()
            self._transmit(data)

    def _transmit(self, data: bytes | bytearray) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def _refuse(self, reason: WireError) -> None:
        level = logging.WARNING if isinstance(reason, AccessDenied) else logging.INFO
        self._hub.refusals.note(self.transport.get_extra_info("peername"), str(reason), level)
        self.send(0, encode(Refused(PROTOCOL, str(reason), isinstance(reason, ServerFull))))
        self.flush()
        self.transport.close()
        # A peer that does not even take the refusal is not waited for.
        asyncio.get_running_loop().call_later(HELLO_SECONDS, self.transport.abort)
