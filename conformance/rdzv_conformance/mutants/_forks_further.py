"""Mutants of RDZV-CONN-10 and 11: children of children, siblings and submitted calls in them, and how they end."""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import socket
import threading
from typing import Any

from rdzv_conformance.mutants._remote import SoundRemote
from rdzv_conformance.mutants._silence import of_the_network
from rdzv_conformance.mutants._submit import SubmittingRemote
from rdzv_core import RendezvousParameters
from rdzv_core.abc import OnDone


class _RenewsOnce(SoundRemote):
    """A child lets go of its parent's connection; a child of that child goes on with it."""

    renewed = False

    def after_a_fork(self) -> None:
        if not self.renewed and os.getpid() != self.pid:
            super().after_a_fork()
            self.renewed = True


class _HandsItsConnectionOn(SoundRemote):
    """A sibling has the connection of the instance, and so has one that is made in a child."""

    def sibling(self, purpose: str) -> SoundRemote:
        made = type(self)(self.params.for_purpose(purpose))
        made.connection = self.connection if os.getpid() != self.pid else None
        return made


class _ShutsDownAtExit(SoundRemote):
    """At the end of a process it shuts its connections down, those too that are its parent's."""

    def exchange(self, request: dict[str, Any]) -> Any:
        answer = super().exchange(request)
        if self.connection is not None and vars(self).get("noted") is not self.connection:
            vars(self)["noted"] = self.connection
            atexit.register(_shut_down, self.connection)
        return answer


def _shut_down(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _SubmitsToAThread(SubmittingRemote):
    """A thread makes what is submitted: a child does not have it."""

    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params)
        self.errands: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.thread: threading.Thread | None = None

    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        if self.thread is None:
            self.thread = threading.Thread(target=self.serve, name="mutants' caller", daemon=True)
            self.thread.start()
        self.errands.put((method, arguments, done))

    def serve(self) -> None:
        while (errand := self.errands.get()) is not None:
            super().submit(*errand)

    def close(self) -> None:
        super().close()
        if self.thread is None:
            self.errands.put(None)


MUTANTS = (
    of_the_network(
        _RenewsOnce,
        "renews-once",
        "A child notes that it is one, and its own child is taken for it.",
        "CONN-10",
        message="",
        may_break=("CONN-11", "CAS-7"),
    ),
    of_the_network(
        _HandsItsConnectionOn,
        "hands-its-connection-on",
        "A sibling that is made in a child has the connection of the parent's instance.",
        "CONN-10",
        message="",
        may_break=("CONN-11", "CAS-7"),
    ),
    of_the_network(
        _ShutsDownAtExit,
        "shuts-down-at-exit",
        "What is done at the end of a process is done at the end of its child, to the parent's connection.",
        "CONN-11",
        message="did not answer",
        may_break=("CONN-10", "LIFE-4"),
    ),
    of_the_network(
        _SubmitsToAThread,
        "submits-to-a-thread",
        "A thread makes what is submitted, and a forked child does not have it.",
        "CONN-11",
        message="submitted in the child of a fork",
        may_break=("LIFE-4", "SUBMIT-3"),
    ),
)
