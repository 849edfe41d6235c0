"""What one backend instance does with the shared client: calls that its own close ends, and nobody else's."""

from __future__ import annotations

import os
import secrets
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from rdzv_core import RendezvousConnectionError
from rdzv_core.abc import OnDone
from rdzv_core.endpoint import HostPort
from rdzv_core.submitting import guarded
from rdzv_tcp._client.client import Client, Reply
from rdzv_tcp._client.errors import CallAborted
from rdzv_tcp._client.pending_calls import Ask, PendingCall, Steps, SubmittedCall
from rdzv_tcp._client.shared_clients import release_client, share_client
from rdzv_tcp._net.security import NO_CREDENTIALS, Credentials
from rdzv_tcp._protocol import NONCE_BYTES, Answer, Failed, Message, Request

R = TypeVar("R")

_CLOSE_SECONDS = 1.0


class Session:
    """One user of an endpoint's client. Thread-safe; after `close` every call raises `RendezvousConnectionError`."""

    def __init__(self, endpoint: HostPort, read_timeout: float, credentials: Credentials = NO_CREDENTIALS) -> None:
        self.endpoint = endpoint
        self._credentials = credentials
        self.read_timeout = read_timeout
        """Seconds that a request may take altogether, connecting again included."""
        self.client: Client = share_client(endpoint, credentials)
        self._state = threading.Condition()
        self._calls: set[PendingCall] = set()
        self._closed = False
        _alive.add(self)

    @property
    def closed(self) -> bool:
        """Return whether `close` was called."""
        return self._closed

    @property
    def durable(self) -> bool:
        """Return whether the server that was last connected to keeps registers on disk."""
        return self.client.durable

    @property
    def guarded(self) -> bool:
        """Return whether that server and its clients know each other, and nobody can read along."""
        return self.client.guarded

    @property
    def local_host(self) -> str:
        """Return this end's address of the connection that was made last."""
        return self.client.local_host

    def connect(self, seconds: float, before_attempt: Callable[[], str] = str) -> None:
        """Be connected within `seconds`; see `Client.connect`."""
        call = self._enter()
        try:
            self.client.connect(call, seconds, before_attempt)
        finally:
            self._leave(call)

    def read(self, make: Callable[[], Request], seconds: float | None = None) -> Answer:
        """Ask something that may be asked any number of times; `make` is called for each attempt."""
        call = self._enter()
        try:
            return self.client.request(call, make, self.read_timeout if seconds is None else seconds).answer
        finally:
            self._leave(call)

    def run(self, steps: Steps[R]) -> R:
        """Go through a call's steps, waiting for each answer."""
        try:
            ask = next(steps)
            while True:
                ask = steps.send(self.read(ask.make, ask.seconds))
        except StopIteration as stop:
            result: R = stop.value
            return result

    def submit(self, begin: Callable[[], Steps[Any]], done: OnDone) -> None:
        """Go through a call's steps without waiting: `done` is told how it ended, from any thread.

        What `begin` raises, of wrong arguments, it is told as well. What `done` raises is logged.
        """
        done = guarded(done, "tcp")

        def finish(call: SubmittedCall, result: Any, error: Exception | None) -> None:
            self._leave(call)
            done(result, self.closed_error() if isinstance(error, CallAborted) else error)

        try:
            steps = begin()
        except Exception as error:  # noqa: BLE001 - it is what the call raises
            done(None, error)
            return
        call = SubmittedCall(self.client, steps, finish)
        self._calls.add(call)
        if self._closed:
            call.abort()
        else:
            call.begin()

    def settle(self) -> bytes:
        """Note that there are members from now on, and return whose they are. See `Client.settle`."""
        return self.client.settle()

    def asking(self, make: Callable[[], Request]) -> Ask:
        """Return a request with the time that one has on this session."""
        return Ask(make, self.read_timeout)

    def waiting(self, make: Callable[[float], Request], timeout: float, in_vain: type[Message]) -> Steps[Answer]:
        """Return the steps of a request that is answered later: until it is not `in_vain`, or `timeout` is over.

        `make` is given how many seconds the server may wait. Half of the read timeout is waited, half is for the
        answer: a server that has stopped is noticed in time.
        """
        end = time.monotonic() + timeout
        half = self.read_timeout / 2
        while True:
            until = min(end, time.monotonic() + half)
            answer = yield Ask(lambda: make(until - time.monotonic()), 2 * half)  # noqa: B023
            if not isinstance(answer, in_vain) or time.monotonic() >= end:
                return answer

    def write(self, request: Request) -> Reply:
        """Send something that the server does once for its nonce, however often it arrives."""
        call = self._enter()
        try:
            reply = self.client.request(call, lambda: request, self.read_timeout, once=True)
        finally:
            self._leave(call)
        if isinstance(reply.answer, Failed):
            raise RendezvousConnectionError(self.not_kept(reply.answer))
        return reply

    def not_kept(self, answer: Failed) -> str:
        """Return that the server could not write something down."""
        return f"tcp backend at '{self.endpoint}': the server could not keep a write on disk: {answer.reason}"

    def share(self) -> Session:
        """Return another session on the same connection."""
        if self._closed:
            raise self.closed_error()
        return Session(self.endpoint, self.read_timeout, self._credentials)

    def close(self) -> None:
        """End this session's calls, and the connection if nobody else uses it. Idempotent; takes a second at most."""
        with self._state:
            if self._closed:
                return
            self._closed = True
            calls = self._calls.copy()
        for call in calls:
            call.abort()
        release_client(self.client)
        with self._state:
            self._state.wait_for(lambda: not self._calls, timeout=_CLOSE_SECONDS)

    def _enter(self) -> PendingCall:
        # Without the lock: `close` says that it closes and then looks whom to end, and this is the other way round.
        call = PendingCall()
        self._calls.add(call)
        if self._closed:
            self._leave(call)
            raise self.closed_error()
        return call

    def _leave(self, call: PendingCall) -> None:
        self._calls.discard(call)
        if self._closed:
            with self._state:
                self._state.notify_all()

    def closed_error(self) -> RendezvousConnectionError:
        """Return the error of a call after `close`."""
        return RendezvousConnectionError(
            f"tcp backend at '{self.endpoint}': this instance is closed; create another one"
        )


def new_nonce() -> bytes:
    """Return the name of a write: random, never used before or after."""
    try:
        return _nonces.pop()
    except IndexError:
        # To ask the system for each costs as much as sending it.
        drawn = secrets.token_bytes(_NONCES_AT_ONCE * NONCE_BYTES)
        fresh = [drawn[start : start + NONCE_BYTES] for start in range(0, len(drawn), NONCE_BYTES)]
        nonce = fresh.pop()
        _nonces.extend(fresh)
        return nonce


_NONCES_AT_ONCE = 64
_nonces: list[bytes] = []
_alive: weakref.WeakSet[Session] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    _nonces.clear()  # the parent goes on using them
    # The threads whose calls these were stayed in the parent, and may have held the locks.
    for session in list(_alive):
        session._state, session._calls = threading.Condition(), set()


os.register_at_fork(after_in_child=_after_fork_in_child)
