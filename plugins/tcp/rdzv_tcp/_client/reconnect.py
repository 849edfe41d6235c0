"""Submitted calls whose connection was lost, and the thread that connects again for them."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from rdzv_core.backoff import Backoff
from rdzv_tcp._client.errors import CallAborted, ConnectionLost, NoAnswer, Rejected
from rdzv_tcp._client.pending_calls import Carrier, PendingCall, SubmittedCall
from rdzv_tcp._client.threads import start_thread

_CALL_BACK_SECONDS = 30.0


class Reconnectable(Carrier, Protocol):
    """What connects again: a `Client`."""

    def connected(self, call: PendingCall, deadline: float) -> object:
        """Return a connection that lives, a new one if needed. Raises a `CallFailed`."""

    def give_up(self, call: SubmittedCall, error: Exception, seconds: float) -> None:
        """End a submitted call that could not go on for `seconds`."""


def new_pauses() -> Backoff:
    """Return the pauses between attempts to connect to one server."""
    return Backoff(0.005, 0.25)


class Reconnector:
    """Holds calls until their client has a connection, then submits them again, each within its own deadline.

    Thread-safe.
    """

    def __init__(self, client: Reconnectable) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._stranded: list[SubmittedCall] = []
        self._running: object = None
        self._attempt, self._attempt_until = PendingCall(), 0.0
        self._stopped = threading.Event()
        self._wanted_until = self._tried_until = 0.0

    @property
    def running(self) -> bool:
        """Whether a thread is connecting."""
        return self._running is not None

    def take(self, call: SubmittedCall) -> None:
        """See to it that `call` goes on."""
        with self._lock:
            self._stranded.append(call)
            if call.deadline < self._attempt_until:
                self._attempt.abort()  # it is to be told in time that there was no connection
        self._begin()

    def call_back(self) -> None:
        """See to it that there is a connection, also if no call needs one."""
        with self._lock:
            self._wanted_until = time.monotonic() + _CALL_BACK_SECONDS
        self._begin()

    def stop(self) -> None:
        """Stop connecting: the client is closed, and all calls that waited have been told."""
        with self._lock:
            self._wanted_until = 0.0
            self._stopped.set()
            self._attempt.abort()

    def _begin(self) -> None:
        with self._lock:
            if self._running is not None:
                return
            running = object()
            try:
                start_thread("rdzv tcp connects again", self._run, running)
            except Rejected as error:
                refused, calls, self._stranded = error, self._stranded, []
            else:
                self._running = running
                return
        for call in calls:
            self._client.lost(call, refused)

    def _run(self, running: object) -> None:
        with self._lock:
            if self._running not in (None, running):  # who started this was interrupted before it could note it
                return
            self._running = running
        pauses = new_pauses()
        while (calls := self._next()) is not None:
            failure = self._submit_again(calls)
            if failure is not None:
                with self._lock:
                    self._stranded += calls
            # A server that accepts and hangs up is not to be flooded; and whose time is over is told so in time.
            left = self._due() - time.monotonic()
            self._stopped.wait(max(0.0, min(pauses.next(), left)))
            if failure is not None:
                self._end_late(failure)

    def _next(self) -> list[SubmittedCall] | None:
        with self._lock:
            calls, self._stranded = [call for call in self._stranded if not call.ended], []
            now = time.monotonic()
            if calls or now < self._wanted_until:
                self._attempt = PendingCall()
                self._attempt.aborted = self._stopped.is_set()
                self._attempt_until = min([now + _CALL_BACK_SECONDS, *(call.deadline for call in calls)])
                self._tried_until = self._wanted_until
                return calls
            self._running, self._attempt_until = None, 0.0
            return None

    def _due(self) -> float:
        """Return when somebody is to be told next that there was no connection in time."""
        with self._lock:
            return min((call.deadline for call in self._stranded), default=float("inf"))

    def _submit_again(self, calls: list[SubmittedCall]) -> Exception | None:
        """Connect and submit `calls`. Return why that failed; None if they need no other attempt."""
        client = self._client
        try:
            client.connected(self._attempt, self._attempt_until)
        except (ConnectionLost, NoAnswer) as error:
            return error
        except (CallAborted, Rejected) as error:
            if isinstance(error, Rejected) and not error.lasting:
                return error
            if isinstance(error, CallAborted) and not self._stopped.is_set():
                return NoAnswer("it took longer than a call may take")
            self._wanted_until = 0.0
            for call in calls:
                client.lost(call, error)
        else:
            with self._lock:
                # A connection that was wanted meanwhile is the next one: this one may have ended already.
                if self._wanted_until == self._tried_until:
                    self._wanted_until = 0.0
            for call in calls:
                client.submit(call)
        return None

    def _end_late(self, failure: Exception) -> None:
        """End the calls whose time is over."""
        now = time.monotonic()
        with self._lock:
            late = [call for call in self._stranded if call.deadline <= now]
            self._stranded = [call for call in self._stranded if call.deadline > now]
        for call in late:
            self._client.give_up(call, failure, call.ask.seconds)
