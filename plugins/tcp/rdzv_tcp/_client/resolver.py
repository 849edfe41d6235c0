"""Looking an endpoint's name up within a time, which the system's resolver does not keep to."""

from __future__ import annotations

import socket
import threading
import time

from rdzv_core.endpoint import HostPort
from rdzv_tcp._client.errors import CallAborted
from rdzv_tcp._client.pending_calls import PendingCall
from rdzv_tcp._client.threads import start_thread
from rdzv_tcp._net.endpoint import Address, resolve

_SLICE = 0.1
_FRESH = 1.0
"""Seconds for which what a look-up gave may be used by the next attempt, if the last one did not wait so long."""


class Resolver:
    """Looks one endpoint up, on a thread: one at a time, however many attempts wait for it. Not thread-safe."""

    def __init__(self, endpoint: HostPort) -> None:
        self.endpoint = endpoint
        self.asked: Query | None = None
        """The query that was made last, until its answer is taken."""

    def addresses(self, call: PendingCall, deadline: float) -> list[Address]:
        """Return what `resolve` returns.

        Raises `OSError` as that does, and where it takes until `deadline`; `CallAborted`; `Rejected` if the system
        refused a thread.
        """
        try:
            return resolve(self.endpoint, socket.AI_NUMERICHOST)
        except socket.gaierror:  # a name
            pass
        asked = self.asked
        if asked is None or time.monotonic() >= asked.good_until:
            asked = Query(self.endpoint)
            start_thread("rdzv tcp looks up a name", asked.ask)
            self.asked = asked
        while not asked.answered.wait(max(0.0, min(_SLICE, deadline - time.monotonic()))):
            if call.aborted:
                raise CallAborted
            if time.monotonic() >= deadline:
                raise socket.gaierror(socket.EAI_AGAIN, "the resolver has not answered yet")
        self.asked = None
        if asked.failure is not None:
            raise asked.failure
        return asked.addresses


class Query:
    """One question to the resolver."""

    def __init__(self, endpoint: HostPort) -> None:
        self._endpoint = endpoint
        self.addresses: list[Address] = []
        self.failure: Exception | None = None
        self.good_until = float("inf")
        self.answered = threading.Event()

    def ask(self) -> None:
        try:
            self.addresses = resolve(self._endpoint)
        except Exception as error:  # noqa: BLE001 - raised by who waits for it
            self.failure = error
        self.good_until = time.monotonic() + _FRESH
        self.answered.set()
