"""One connection of the server: its bytes, how much of them it may cost, and which answers go together."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from rdzv_tcp._net.endpoint import address_of
from rdzv_tcp._net.settings import Settings
from rdzv_tcp._net.tls import is_tls
from rdzv_tcp._protocol import (
    MAX_FRAME_BYTES,
    MAX_HELLO_BYTES,
    PROTOCOL,
    Answer,
    FrameReader,
    Hello,
    Message,
    Refused,
    Request,
    Welcome,
    WireError,
    decode_request,
    frame,
    framed,
)
from rdzv_tcp._protocol.server_handshake import AccessDenied, ServerHandshake
from rdzv_tcp._server.admission import Admission, ServerFull
from rdzv_tcp._server.commit import Commit
from rdzv_tcp._server.idle_polling import IdlePolling
from rdzv_tcp._server.outcomes import Write
from rdzv_tcp._server.rejections import Rejections
from rdzv_tcp._server.service import Service
from rdzv_tcp._server.wait_requests import WaitRequest
from rdzv_tcp._server.waiters import Waiter, Waiters

HELLO_SECONDS = 10.0
MAX_WAITS = 16_384
MAX_WAIT_BYTES = 16 * 1024 * 1024
MAX_WAIT_SECONDS = 3600.0
MAX_UNCOMMITTED_BYTES = 1024 * 1024

TOGETHER_BYTES = 64 * 1024
"""Answers that are ready together are sent together up to about this many bytes."""


@dataclass(frozen=True)
class Surroundings:
    """What the connections of a server share."""

    settings: Settings
    scratch: memoryview
    """One buffer serves all connections: the loop hands what was received on before it receives again."""
    welcome: Callable[[bytes], Welcome]
    service: Service
    commit: Commit
    waiters: Waiters
    admission: Admission
    idle_polling: IdlePolling
    rejections: Rejections
    connections: set[Connection] = field(default_factory=set)


class Connection(asyncio.BufferedProtocol):
    """Serves one client.

    What a connection can cost is bounded: one frame of at most 8 MiB coming in, about as much going out (a client
    that does not take its answers is not read from), and 16,384 waits, which hold 16 MiB at most.
    """

    # There are thousands of these: the less of each a request looks at, the better for the processor's caches.
    __slots__ = (
        "_handshake",
        "_hello_timer",
        "_overdue",
        "_paused",
        "_reader",
        "_shared",
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

    def __init__(self, shared: Surroundings) -> None:
        self._shared = shared
        self._reader: FrameReader[Request] = FrameReader(decode_request, MAX_HELLO_BYTES)
        self._handshake: ServerHandshake | None = ServerHandshake(shared.settings.secret, shared.welcome)
        self.direct = False
        """Whether the client's process is at the other end, and no proxy, whose end would say nothing of the client."""
        self.said_end = False
        """Whether its end came from the other side, in order: so a process ends, also one that is killed."""
        self.heard = 0
        """How often something was received."""
        self._silent = True
        self._uncommitted = 0
        self._paused = False
        self._together: bytearray | None = None
        self._waiting: set[Waiter] = set()
        self._waiting_bytes = 0
        self._overdue: deque[Waiter] = deque()
        """Those whose topic has changed while the client did not take its answers."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not every loop's transport is of the class; each has its methods.
        self.transport = cast(asyncio.Transport, transport)
        self._shared.connections.add(self)
        self._shared.admission.arrived(self)
        # So that the connection of a machine that is gone ends some day.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._hello_timer = asyncio.get_running_loop().call_later(HELLO_SECONDS, self.transport.abort)

    def connection_lost(self, _: Exception | None) -> None:
        self._shared.connections.discard(self)
        self._shared.admission.left(self)
        self._shared.idle_polling.leave(self)
        self._hello_timer.cancel()
        self._shared.service.disconnected(self)
        for waiter in self._waiting:
            self._shared.waiters.remove(waiter)
        self._waiting.clear()
        self._overdue.clear()

    def eof_received(self) -> None:
        self.said_end = not self.transport.is_closing()  # an end that follows one from here says nothing of the client

    @property
    def descriptor(self) -> int:
        """The descriptor of its socket."""
        return int(self.transport.get_extra_info("socket").fileno())

    def get_buffer(self, _: int) -> memoryview:
        return self._shared.scratch

    def buffer_updated(self, nbytes: int) -> None:
        self.heard += 1
        if self._silent:
            self._silent = False
            if is_tls(self._shared.scratch[:nbytes]):
                self._refuse(
                    AccessDenied(
                        "this server speaks plain text, and the client TLS: give the server tls_cert and tls_key"
                    )
                )
                return
        if self.transport.is_closing():
            return
        self._reader.feed(self._shared.scratch[:nbytes])
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
        self._shared.idle_polling.rouse(self)
        self.transport.pause_reading()

    def release(self, request_id: int, answer: Answer, size: int) -> None:
        """Answer a write that waited for the disk."""
        held_up = self._uncommitted > MAX_UNCOMMITTED_BYTES
        self._uncommitted -= size
        self.answer(request_id, answer)
        if held_up and not self.blocked and not self.transport.is_closing():
            self._go_on()

    @property
    def blocked(self) -> bool:
        """Whether nothing is to be read from it for now."""
        return self._paused or self._uncommitted > MAX_UNCOMMITTED_BYTES

    def _go_on(self) -> None:
        while self._overdue and not self._paused:
            waiter = self._overdue.popleft()
            self._waiting_bytes -= waiter.size
            self.answer(waiter.request_id, waiter.request.answer())
        if not self.blocked and not self.transport.is_closing():
            self._serve()
        if not self.blocked:
            self.transport.resume_reading()

    def wake(self, answers: list[tuple[Waiter, bytes]]) -> None:
        """Answer waits whose topic has changed; a client that is behind gets the state of when it has caught up."""
        alone = len(answers) == 1 or not self._gather()
        for waiter, body in answers:
            self._waiting.discard(waiter)
            if self._paused:
                self._overdue.append(waiter)
            else:
                self._waiting_bytes -= waiter.size
                self._send(frame(waiter.request_id, body))
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
        if self._handshake is not None:
            self._greet(self._handshake, request_id, request)
            return
        outcome = self._shared.service.handle(request, self)
        # An answer first, as it comes most often; and to ask whether something is of an abstract class takes long.
        if isinstance(outcome, Message):
            self._send(framed(request_id, outcome))
        elif isinstance(outcome, Write):
            self._shared.commit.submit(self, request_id, outcome.request)
        else:
            self._wait(request_id, outcome)

    def _greet(self, handshake: ServerHandshake, request_id: int, request: Request) -> None:
        answer = handshake.take(request)
        if isinstance(request, Hello):
            seen = address_of(self.transport.get_extra_info("peername"))
            self.direct = bool(seen) and request.address == seen
        if isinstance(answer, Welcome):
            self._shared.admission.admit(self)
            self._handshake = None
            self._reader.limit = MAX_FRAME_BYTES
            self._hello_timer.cancel()
            if self._shared.settings.tls is None:
                self._shared.idle_polling.join(self)
        self.answer(request_id, answer)

    def _wait(self, request_id: int, request: WaitRequest) -> None:
        topic = request.topic()
        if topic is None:
            self.answer(request_id, request.answer())
        elif not request.seconds > 0:
            self.answer(request_id, request.timeout_answer())
        else:
            if len(self._waiting) + len(self._overdue) >= MAX_WAITS:
                raise WireError(f"more than {MAX_WAITS} waits on one connection")
            waiter = Waiter(self, request_id, request, topic)
            if self._waiting_bytes + waiter.size > MAX_WAIT_BYTES:
                raise WireError(f"waits for more than {MAX_WAIT_BYTES} bytes of keys on one connection")
            self._waiting_bytes += waiter.size
            self._waiting.add(waiter)
            self._shared.waiters.add(waiter, min(request.seconds, MAX_WAIT_SECONDS))

    def expire(self, waiter: Waiter) -> None:
        """Answer a waiter whose time is over."""
        self._waiting.discard(waiter)
        self._waiting_bytes -= waiter.size
        self.answer(waiter.request_id, waiter.request.timeout_answer())

    def abort(self) -> None:
        """End it at once."""
        self.transport.abort()

    def answer(self, request_id: int, answer: Answer) -> None:
        """Send an answer, unless the connection is about to end."""
        self._send(framed(request_id, answer))

    def flush(self) -> None:
        """Send what was to be sent together so far."""
        if self._together:
            together, self._together = self._together, bytearray()
            self._transmit(together)

    def _gather(self) -> bool:
        """Gather answers until `_send_gathered`. Return False if that is being done already."""
        if self._together is not None:
            return False
        self._together = bytearray()
        return True

    def _send_gathered(self) -> None:
        self.flush()
        self._together = None

    def _send(self, data: bytes | bytearray) -> None:
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
        self._shared.rejections.note(self.transport.get_extra_info("peername"), str(reason), level)
        self.answer(0, Refused(PROTOCOL, str(reason), isinstance(reason, ServerFull)))
        self.flush()
        self.transport.close()
        # A peer that does not even take the refusal is not waited for.
        asyncio.get_running_loop().call_later(HELLO_SECONDS, self.transport.abort)
