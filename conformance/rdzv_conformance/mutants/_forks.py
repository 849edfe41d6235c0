"""Mutants of RDZV-CONN-6, 10 and 11: what a fork shares that it must not share."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import threading
from concurrent.futures import Future
from typing import Any, ClassVar

from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT, SoundRemote
from rdzv_conformance.mutants._remote_members import SoundRemoteMembers, at_server
from rdzv_conformance.mutants._remote_stores import SoundRemoteStores, with_stores
from rdzv_conformance.mutants._settings import Setting, remotely
from rdzv_core import MemberLease, RendezvousConnectionError, RendezvousError, RendezvousParameters, accepts_options


class SharesTheSocket(SoundRemote):
    """Goes on in the child with the parent's connection."""

    def after_a_fork(self) -> None:
        pass

    def close(self) -> None:
        if os.getpid() == self.pid:
            super().close()
        self.closed = True


class SharesAPool(SoundRemote):
    """All instances share a connection of the library, and so do those that are made in a child."""

    pool: ClassVar[dict[tuple[str, str], socket.socket]] = {}
    everybody: ClassVar[threading.Lock] = threading.Lock()

    def exchange(self, request: dict[str, Any]) -> Any:
        place = (self.name, self.params.endpoint)
        with self.everybody:
            if self.connection is None:
                self.connection = self.pool.get(place)
            answer = super().exchange(request)
            if self.connection is not None:
                self.pool[place] = self.connection
            return answer

    def drop(self) -> None:
        place = (self.name, self.params.endpoint)
        if self.connection is not None and not self.closed:
            self.pool.pop(place, None)
            self.connection.close()
        self.connection = None

    def close(self) -> None:
        self.closed, self.connection = True, None


class KeepsTheLock(SoundRemote):
    """Makes a new connection in the child, under the lock that it had."""

    def after_a_fork(self) -> None:
        if os.getpid() != self.pid:
            self.pid, self.connection = os.getpid(), None


class OneLockForAll(SoundRemote):
    """Counts its requests under a lock of the module."""

    everybody: ClassVar[threading.Lock] = threading.Lock()

    def exchange(self, request: dict[str, Any]) -> Any:
        with self.everybody:
            return super().exchange(request)


class OpensUnderALock(SoundRemote):
    """A new instance connects, and says who it is, one after the other."""

    opening: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params)
        with self.opening, contextlib.suppress(RendezvousError):  # where nobody is, the first call says so
            self.get_state()


class ClosesForTheParent(SoundRemote):
    """close() ends the connection itself, and not this process's copy of it alone."""

    def close(self) -> None:
        connection = self.connection
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        super().close()


class HasAThread(SoundRemote):
    """A thread of the instance makes all calls: a child does not have it."""

    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params)
        self.requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self.serve, name="mutants' caller", daemon=True).start()

    def serve(self) -> None:
        while (asked := self.requests.get()) is not None:
            future, request = asked
            try:
                future.set_result(super().ask(request))
            except BaseException as error:  # noqa: BLE001 - handed to the caller
                future.set_exception(error)

    def ask(self, request: dict[str, Any]) -> Any:
        if self.closed:
            raise RendezvousConnectionError(f"backend {self.name!r} at {self.params.endpoint!r} is closed")
        future: Future[Any] = Future()
        self.requests.put((future, request))
        return future.result()

    def close(self) -> None:
        super().close()
        self.requests.put(None)


class OneLockForMembers(SoundRemoteMembers):
    """What it asks of members goes under a lock of the module, which a child may find held."""

    everybody: ClassVar[threading.Lock] = threading.Lock()

    def exchange(self, request: dict[str, Any]) -> Any:
        if request.get("do") not in ("enter", "leave", "write", "look"):
            return super().exchange(request)
        with self.everybody:
            return super().exchange(request)


class OneLockForStores(SoundRemoteStores):
    """What it asks of stores goes under a lock of the module, which a child may find held."""

    durable = False
    everybody: ClassVar[threading.Lock] = threading.Lock()

    def exchange(self, request: dict[str, Any]) -> Any:
        if "map" not in request:
            return super().exchange(request)
        with self.everybody:
            return super().exchange(request)


class LeavesForTheParent(SoundRemoteMembers):
    """close() lets its members go, also those of the process that it was forked from."""

    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        lease = super().enter(payload, ttl)
        vars(self).setdefault("entered", []).append(lease)
        return lease

    def close(self) -> None:
        for lease in vars(self).pop("entered", ()):
            with contextlib.suppress(RendezvousConnectionError):
                self.leave(lease)
        super().close()


def _mutant(
    broken: type[SoundRemote],
    name: str,
    sentence: str,
    *breaks: str,
    message: str,
    may_break: tuple[str, ...] = (),
    setting: Setting = remotely,
) -> Mutant:
    factory = accepts_options(READ_TIMEOUT)(lambda params: broken(params))
    full, may = (tuple(f"RDZV-{number}" for number in numbers) for numbers in (breaks, may_break))
    return Mutant(name, sentence, full, message, factory, may, setting)


MUTANTS = (
    _mutant(
        SharesTheSocket,
        "shares-the-socket",
        "A child goes on with its parent's connection: each reads what is the other's answer.",
        "CONN-10",
        message="of a process that forked",
        may_break=("CONN-11", "CONN-6", "CAS-7"),
    ),
    _mutant(
        SharesAPool,
        "shares-a-pool",
        "A library's pool of connections is of the module, and a new instance in the child takes one of the parent's.",
        "CONN-10",
        message="",
        may_break=("CONN-11", "CONN-6", "CAS-7", "CONN-4", "CONN-5", "CONN-7", "CONN-8", "CONN-9", "LIFE-3", "LIFE-4"),
    ),
    _mutant(
        KeepsTheLock,
        "keeps-the-lock",
        "A lock that another thread held at the fork is held for ever in the child.",
        "CONN-11",
        message="the child of a fork hung in its first use",
        may_break=("CONN-10",),
    ),
    _mutant(
        OneLockForAll,
        "one-lock-for-all",
        "A lock of the module is not made anew in a child.",
        "CONN-11",
        message="the child of a fork hung in its first use",
        may_break=("CONN-10", "CONN-3", "CONN-4", "CONN-5", "CONN-8", "CAS-13", "LIFE-3"),
    ),
    _mutant(
        OpensUnderALock,
        "opens-under-a-lock",
        "New instances connect and greet one after the other, under a lock that is not made anew in a child.",
        "CONN-11",
        message="the child of a fork hung in its first use",
    ),
    _mutant(
        ClosesForTheParent,
        "closes-for-the-parent",
        "What a child closes is shut down, and not only its own descriptor of it.",
        "CONN-11",
        message="did not answer",
        may_break=("CONN-10", "CONN-6"),
    ),
    _mutant(
        HasAThread,
        "has-a-thread",
        "A thread makes the calls of an instance, and a forked child does not have it.",
        *("CONN-6", "CONN-10", "CONN-11"),
        message="hung in its first use",
        may_break=("LIFE-3", "LIFE-4", "CONN-4", "CONN-8", "CAS-7"),
    ),
    _mutant(
        OneLockForMembers,
        "one-lock-for-members",
        "Calls about members go under a lock of the module, which is not made anew in a child.",
        "CONN-11",
        message="the child of a fork hung in its first use",
        setting=at_server(),
    ),
    _mutant(
        OneLockForStores,
        "one-lock-for-stores",
        "Calls of stores go under a lock of the module, which is not made anew in a child.",
        "CONN-11",
        message="the child of a fork hung in its first use",
        setting=with_stores(),
    ),
    _mutant(
        LeavesForTheParent,
        "leaves-for-the-parent",
        "A child that closes what it inherited ends its parent's membership.",
        "CONN-11",
        message="the parent's member",
        setting=at_server(),
    ),
)
