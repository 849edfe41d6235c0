"""One socket to a server, shared by threads: many requests under way, each answered by its id.

Of the threads that wait for an answer one reads, for all of them; when its own answer has come it hands the reading
over. A thread alone reads its own answer, with no other thread woken in between. Only for submitted calls, which no
thread waits for, the connection has a reader of its own, from the first of them on.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable

from rdzv_tcp._client.errors import CallAborted, ConnectionLost, NoAnswer, Rejected
from rdzv_tcp._client.pending_calls import PendingCall, SubmittedCall
from rdzv_tcp._client.send_buffer import SendBuffer
from rdzv_tcp._client.threads import start_thread
from rdzv_tcp._net.endpoint import address_of
from rdzv_tcp._net.tls import TlsPipe, TlsRefused
from rdzv_tcp._protocol import MAX_FRAME_BYTES, Answer, FrameReader, Refused, Request, WireError, decode_answer, framed

_RECEIVE_BYTES = 256 * 1024
_SWEEP_SECONDS = 0.5
_RESET = struct.pack("ii", 1, 0)
"""What SO_LINGER is set to, for a close to be a reset."""

_FRESH = 0.001
"""Seconds after an answer in which a connection is believed to live, without asking the system."""


class ClientConnection:
    """A connected socket and the calls on it. Thread-safe. It owns the socket, and a pipe that wakes its reader."""

    def __init__(self, connected: socket.socket, tls: TlsPipe | None = None) -> None:
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.socket = connected
        self.address: str = address_of(connected.getsockname())
        self.local_host: str = str(connected.getsockname()[0])
        """This end of it, as this process sees it."""
        self._tls = tls
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        self._send_buffer = SendBuffer(connected, tls)
        self._awaits_room = False
        self._poll = select.poll()
        self._poll.register(connected, select.POLLIN)
        self._poll.register(self._woken, select.POLLIN)
        self._frames: FrameReader[Answer] = FrameReader(decode_answer, MAX_FRAME_BYTES)
        self._lock = threading.Lock()
        self._calls: dict[int, PendingCall] = {}
        self._last_id = 0
        self._reader: PendingCall | None = None
        self._attended = False
        self.ended: Callable[[], None] = _nobody_minds
        """Called when a connection that is attended has ended."""
        self._broken: Exception | None = None
        self._open = True
        self.bytes_received: int = 0
        self._used = 0.0
        self._scratch = memoryview(bytearray(_RECEIVE_BYTES))
        self.incarnation = b""
        self.server = ""
        self.durable = self.guarded = False

    @property
    def bytes_sent(self) -> int:
        """How many bytes were to be sent, so far."""
        return self._send_buffer.taken

    @property
    def broken(self) -> bool:
        """Return whether the connection has ended."""
        return self._broken is not None

    def exchange(self, call: PendingCall, request: Request, deadline: float) -> Answer:
        """Send a request and wait for its answer until `deadline`, on the monotonic clock.

        Raises a `CallFailed`; `call.sent` then says whether the server may have got it.
        """
        call.answer, call.sent, call.connection = None, False, self
        request_id, mark = -1, 0
        try:
            with self._lock:
                request_id = self._last_id = self._last_id % 0xFFFFFFFF + 1
                self._calls[request_id] = call
            received = self.bytes_received
            mark = self._send(call, framed(request_id, request))
            self._await(call, deadline, received)
        except (NoAnswer, CallAborted):
            if not self._send_buffer.has_sent(mark):
                # The rest of it, sent some time later, would be done when nobody expects it any more.
                self.break_off(ConnectionLost("a request was given up before all of it was sent"))
            raise
        except (ConnectionLost, Rejected):
            raise
        except BaseException as error:
            # KeyboardInterrupt, say: what was received may be half taken, so that nothing after it can be trusted.
            self.break_off(ConnectionLost(f"a call was interrupted by {type(error).__name__}"))
            raise
        finally:
            with self._lock:
                self._calls.pop(request_id, None)
                if self._reader in (call, None):  # None: it may have been handed over to this call, which leaves
                    self._hand_over()
                self._close_when_left()
        self._used = time.monotonic()
        assert call.answer is not None
        return call.answer

    def submit(self, call: SubmittedCall, request: Request) -> None:
        """Send a request and return; `call` is told by `answered` or `lost`, from another thread or this one.

        Raises `ConnectionLost`, `CallAborted` or `Rejected` if it could not be sent, and what encoding it raises.
        """
        with self._lock:
            self._check(call)
            self._last_id = call.request_id = self._last_id % 0xFFFFFFFF + 1
            self._calls[call.request_id] = call
            call.connection, call.received = self, self.bytes_received
        try:
            self.attend()
            self._send(call, framed(call.request_id, request))
        except Exception:
            if self.forget(call):  # else who broke the connection off has told it
                raise

    def attend(self) -> None:
        """Have somebody read from now on, so that its end is noticed at once, whether or not there is a call.

        Raises `Rejected` if the system has no thread for that.
        """
        with self._lock:
            if not self._attended and self._broken is None:
                start_thread("rdzv tcp reader", self._attend)
                self._attended = True

    def forget(self, call: SubmittedCall) -> bool:
        """Discard the answer to a submitted call. Return False if it was told of one, or of the connection's end."""
        with self._lock:
            return self._calls.pop(call.request_id, None) is not None

    def interrupt(self, call: PendingCall) -> None:
        """Wake the thread of `call`, so that it looks at what has become of it."""
        with self._lock:
            if call.event is not None:
                call.event.set()
            if self._reader is call:
                self._wake_reader()

    def break_off(self, cause: Exception, *, for_good: bool = False) -> None:
        """End the connection: every call on it raises `ConnectionLost`. Idempotent.

        It ends by a reset, and in order only `for_good`: to the server an orderly end says that the process is gone,
        or has closed its last backend, and so have its memberships. A process that lives must never say that. The
        descriptors close as the calls leave.
        """
        with self._lock:
            if self._broken is not None:
                return
            self._broken = cause
            try:
                if for_good:
                    self.socket.shutdown(socket.SHUT_RDWR)
                else:
                    self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            except OSError:  # the peer was faster
                pass
            submitted = [call for call in self._calls.values() if isinstance(call, SubmittedCall)]
            for one in submitted:
                del self._calls[one.request_id]
            for call in self._calls.values():
                if call.event is not None:
                    call.event.set()
            if self._reader is not None:
                self._wake_reader()
            self._close_when_left()
        _tell(submitted, cause if isinstance(cause, Rejected) else ConnectionLost(str(cause)))

    def abandon(self) -> None:
        """In a forked child: let go of the parent's socket without a word on it."""
        self._broken = ConnectionLost("the connection belongs to the parent process")
        self._calls, self._lock = {}, threading.Lock()
        self._close_when_left()

    def gone_while_idle(self) -> bool:
        """Return whether the server has closed the connection, so that a request is not sent in vain."""
        if self._reader is not None or self._broken is not None or self._calls:
            return self.broken
        if time.monotonic() - self._used < _FRESH:
            return False
        try:
            return not self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _close_when_left(self) -> None:
        if self._broken is not None and not self._calls and self._open:
            self._open = False
            self.socket.close()
            os.close(self._woken)
            os.close(self._waker)

    def _wake_reader(self) -> None:
        try:
            os.write(self._waker, b"\0")
        except BlockingIOError:  # it has plenty to wake up by
            pass

    def _check(self, call: PendingCall) -> bool:
        """Return whether the answer is there. Raises what ends the call without one."""
        if call.answer is not None:
            return True
        if call.aborted:
            raise CallAborted
        if self._broken is not None:
            if isinstance(self._broken, Rejected):
                raise self._broken
            raise ConnectionLost(str(self._broken)) from self._broken
        return False

    def _send(self, call: PendingCall, data: bytes | bytearray) -> int:
        self._check(call)
        call.sent, mark = True, 0
        try:
            mark = self._send_buffer.send(data)
        except OSError as error:
            self.break_off(error)
            self._check(call)
        if self._send_buffer.waiting:
            with self._lock:
                if self._reader is not None:  # else the next reader sees it
                    self._wake_reader()
        return mark

    def _await(self, call: PendingCall, deadline: float, received: int) -> None:
        while True:
            with self._lock:
                if self._check(call):
                    return
                if reading := self._reader is None:
                    self._reader = call
                elif call.event is None:
                    call.event = threading.Event()
                else:
                    call.event.clear()
            if reading:
                in_time = self._read(call, deadline)
            else:
                assert call.event is not None
                in_time = call.event.wait(max(0.0, deadline - time.monotonic()))
            if not in_time and not self._check(call):
                if self.bytes_received == received:
                    # Not a byte since the request left: the next call is better off with a connection of its own.
                    self.break_off(NoAnswer("the server stopped answering"))
                raise NoAnswer("no answer came")

    def _read(self, call: PendingCall, deadline: float) -> bool:
        """Read, for all calls, until `call` is settled. Return False once the deadline has passed."""
        while not self._check(call):
            if self._awaits_room != self._send_buffer.waiting:
                self._awaits_room = not self._awaits_room
                self._poll.modify(self.socket, select.POLLIN | (select.POLLOUT if self._awaits_room else 0))
            remaining = deadline - time.monotonic()
            ready = self._poll.poll(max(0.0, remaining) * 1000)
            if not ready and remaining <= 0:
                return False
            for descriptor, events in ready:
                if descriptor == self._woken:
                    os.read(self._woken, 4096)
                    continue
                if events & select.POLLOUT:
                    self._flush()
                if events & ~select.POLLOUT:
                    self._receive()
        return True

    def _flush(self) -> None:
        try:
            self._send_buffer.flush()
        except OSError as error:
            self.break_off(error)

    def _receive(self) -> None:
        self._send_buffer.gather()
        try:
            count = self.socket.recv_into(self._scratch)
            if not count:
                raise ConnectionResetError("the server closed the connection")
            self.bytes_received += count
            data = self._scratch[:count]
            self._frames.feed(data if self._tls is None else self._tls.open(data))
            while (taken := self._frames.take()) is not None:
                self._settle(*taken)
        except BlockingIOError:
            return
        except OSError as error:
            self.break_off(error)
        except TlsRefused as refused:
            self.break_off(Rejected(str(refused)))
        except WireError as error:
            # What has welcomed this client did speak it: a new connection shows what is there now.
            kind = ConnectionLost if self.server else Rejected
            self.break_off(kind(f"what answers there does not speak rdzv's protocol: {error}"))
        finally:
            self._flush()

    def _settle(self, request_id: int, answer: Answer) -> None:
        if isinstance(answer, Refused):
            # What a server refuses that has welcomed this client is a request, not the client.
            lasting = not self.server and not answer.passing
            self.break_off(Rejected(f"the server refused: {answer.reason}", lasting=lasting))
            return
        call = self._calls.get(request_id)
        if call is None:  # its thread has given up
            return
        if isinstance(call, SubmittedCall):
            if self.forget(call):
                call.answered(answer)
            return
        if call is self._reader:
            call.answer = answer
            return
        with self._lock:
            call.answer = answer
            if call.event is not None:
                call.event.set()

    def _attend(self) -> None:
        """Read for the submitted calls, as long as there is the connection, and end those whose time is over."""
        own = PendingCall()
        with self._lock:
            if 0 in self._calls:  # who started that reader was interrupted before it could note it
                return
            self._attended = True
            self._calls[0] = own  # no request has this number
        try:
            while self._broken is None:
                with self._lock:
                    if reading := self._reader in (None, own):
                        self._reader = own
                    else:
                        own.event = own.event or threading.Event()
                        own.event.clear()
                if reading:
                    self._read(own, time.monotonic() + _SWEEP_SECONDS)
                elif own.event is not None:
                    own.event.wait(_SWEEP_SECONDS)
                self._end_overdue()
        except (ConnectionLost, Rejected):
            pass
        except BaseException as error:
            self.break_off(ConnectionLost(f"the reader failed: {type(error).__name__}: {error}"))
            raise
        finally:
            with self._lock:
                del self._calls[0]
                if self._reader is own:
                    self._hand_over()
                self._close_when_left()
            self.ended()

    def _end_overdue(self) -> None:
        now, silent = time.monotonic(), False
        with self._lock:
            submitted = [call for call in self._calls.values() if isinstance(call, SubmittedCall)]
            overdue = [call for call in submitted if call.deadline <= now]
            for call in overdue:
                del self._calls[call.request_id]
                silent = silent or call.received == self.bytes_received
        _tell(overdue, NoAnswer("no answer came"))
        if silent:
            # Not a byte since a request left: the next call is better off with a connection of its own.
            self.break_off(NoAnswer("the server stopped answering"))

    def _hand_over(self) -> None:
        """Let somebody else read, the lock being held."""
        self._reader = None
        # Somebody without an event has not begun to wait, and will find that nobody reads.
        for other in self._calls.values():
            if other.event is not None and other.answer is None:
                other.event.set()
                break


def _nobody_minds() -> None:
    pass


def _tell(submitted: Iterable[SubmittedCall], error: Exception) -> None:
    for call in submitted:
        call.lost(error)
