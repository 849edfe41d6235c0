"""One deadline for a whole call, however many attempts and connections it takes, and its cancellation.

An ordinary socket timeout starts again with every byte, so an answer that trickles never ends. Here every send and
every receive asks the current scope how much of its time is left.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

_local = threading.local()

F = TypeVar("F", bound=Callable[..., Any])


class CallCancelledError(OSError):
    """The instance was closed while the call was in progress."""


class Signal:
    """Wakes the one thread that waits for it. Costs a third of what an `Event` does, with a hundred threads less."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """End the wait, or the next one."""
        with contextlib.suppress(RuntimeError):  # it is set already
            self._lock.release()

    def wait(self, seconds: float) -> bool:
        """Wait until it is set, for so long at most; it is not set any more then. Returns whether it was."""
        return self._lock.acquire(timeout=min(max(0.0, seconds), threading.TIMEOUT_MAX))


class CancelScope:
    """The deadline of one call of one thread, and the socket that it waits on; `cancel` ends it from another thread.

    A context manager: within it, sockets of this package obey the scope. It takes no lock, so a fork at any moment
    leaves nothing locked in the child.
    """

    def __init__(self, deadline: float) -> None:
        deadline = min(deadline, getattr(_local, "call_ends", deadline))
        self.deadline = deadline
        self.sent: bool = False
        """Whether any byte of the current attempt's request may have left this machine."""
        self.local_host = ""
        """The local address of the connection made for this call; empty where an idle one was reused."""
        self._until = self._connect_until = deadline
        self._silence = float("inf")
        self._on_silence: Callable[[], None] = _do_nothing
        self._outer: CancelScope | None = None
        self._cancelled = False
        self._sock: socket.socket | None = None
        self._signal: Signal | None = None
        self._pid = os.getpid()

    def begin_attempt(self, limit: float = float("inf"), connect_limit: float = float("inf")) -> None:
        """Start an attempt of at most `limit` seconds, its connecting `connect_limit`, and never more than is left."""
        self.sent = False
        self._sock = None
        now = time.monotonic()
        self._until = min(self.deadline, now + limit)
        self._connect_until = min(self._until, now + connect_limit)

    def on_silence(self, every: float, callback: Callable[[], None]) -> None:
        """Call `callback` after every `every` seconds without data; what it raises ends the receiving."""
        self._silence, self._on_silence = every, callback

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled

    @property
    def time_left(self) -> float:
        """Seconds until the current attempt must end; negative when over."""
        return self._until - time.monotonic()

    def before_io(self, sock: socket.socket, *, sending: bool = False) -> float:
        """Return how long `sock` may block, above 0; raises `TimeoutError` or `CallCancelledError`."""
        left = self._allow(sock, self.time_left)
        self.sent = self.sent or sending
        return left

    def before_connect(self, sock: socket.socket, shares: int) -> float:
        """Return one of `shares` equal parts of the time left for connecting; raises as `before_io`."""
        return self._allow(sock, (self._connect_until - time.monotonic()) / shares)

    def receive(self, sock: socket.socket, receive: Callable[[float], int]) -> int:
        """Receive within the time that is left, calling the callback in every silence; raises as `before_io`.

        `receive` is told how long it may block, and raises `TimeoutError` if nothing came.
        """
        while True:
            left = self._allow(sock, min(self.time_left, self._silence))
            try:
                return receive(left)
            except TimeoutError as error:
                if error.errno is not None or self.time_left <= 0:  # with an errno the connection itself is broken
                    raise
            self._on_silence()

    def wait(self, signal: Signal, until: float) -> bool:
        """Wait for another thread of this process until `until` at most; True if it has set `signal`, or on `cancel`.

        The deadline is the caller's business.
        """
        self._signal = signal
        return self._cancelled or signal.wait(until - time.monotonic())  # read after _signal is set, as in `_allow`

    def cancel(self) -> None:
        """End the call from another thread, whatever it waits for on its socket, or for another thread."""
        self._cancelled = True
        sock, signal = self._sock, self._signal
        if self._pid != os.getpid():  # a forked child must not cut its parent's connection
            return
        if signal is not None:
            signal.set()
        if sock is None:
            return
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # not connected yet, or closed already: the next I/O ends the call

    def __enter__(self) -> CancelScope:
        self._outer = current_scope()  # of a watch whose `on_silence` makes a call of its own
        _local.scope = self
        return self

    def __exit__(self, *_: object) -> None:
        _local.scope = self._outer

    def _allow(self, sock: socket.socket, left: float) -> float:
        self._sock = sock
        if self._cancelled:  # read after _sock is set, and `cancel` reads _sock after setting it: none is lost
            raise CallCancelledError("closed")
        if left <= 0:
            raise TimeoutError("timed out")
        return left


def whole_call(method: F) -> F:
    """Let all requests of a method, and whatever they wait for, end within the timeout of its object's `_client`.

    Each has that timeout of its own as well; this is for what takes several, one after the other.
    """

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        outer = getattr(_local, "call_ends", None)
        ends = time.monotonic() + self._client.timeout
        _local.call_ends = ends if outer is None else min(ends, outer)
        try:
            return method(self, *args, **kwargs)
        finally:
            if outer is None:
                del _local.call_ends
            else:
                _local.call_ends = outer

    return call  # type: ignore[return-value]


def current_scope() -> CancelScope | None:
    """Return the scope that this thread is in, if any."""
    scope: CancelScope | None = getattr(_local, "scope", None)
    return scope


def _do_nothing() -> None:
    """Do nothing."""
