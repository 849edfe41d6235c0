"""Mutants of RDZV-CAS-14 and 15, CONN-4 and 5: what is made up where an answer is missing, and who waits for it."""

from __future__ import annotations

import base64
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from rdzv_conformance.harness.helpers import Helpers
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT, Extension, RemoteStore, SoundRemote
from rdzv_conformance.mutants._settings import Place, remotely
from rdzv_core import (
    RendezvousConnectionError,
    SetStateResult,
    StateSnapshot,
    SupportsDelete,
    SupportsWatch,
    Token,
    accepts_options,
)
from rdzv_core.memory._registers import RegisterTable

LOOK_EVERY = 0.05
NO_TOKEN = b"no token"


class _Deletions(Extension):
    """Deletes registers."""

    def __init__(self, registers: RegisterTable) -> None:
        self.registers = registers

    def answer(self, request: dict[str, Any], connection: socket.socket) -> dict[str, Any]:  # noqa: ARG002 - as declared
        token = request["token"]
        return {"deleted": self.registers.delete(request["key"], token and base64.b64decode(token))}


@contextmanager
def with_deletions() -> Iterator[Place]:
    """A server that deletes as well."""
    registers = RegisterTable()
    with RemoteStore(registers=registers, extension=_Deletions(registers)) as store:
        yield Place(store.endpoint, {}, Helpers(expires=False))


class SoundRemoteDeletes(SoundRemote, SupportsDelete):
    """A client of it."""

    def delete_state(self, token: Token | None = None) -> bool:
        used = (token if isinstance(token, bytes) and token else NO_TOKEN) if token is not None else None
        request = {"key": self.key, "token": used and base64.b64encode(used).decode()}
        return bool(self.ask(request)["deleted"])


class SoundRemoteWatches(SoundRemote, SupportsWatch):
    """A wait is many calls, so near to each other that it is as if it was woken."""

    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        ends = time.monotonic() + timeout
        while True:
            found = self.look(ends)
            there = found is not None
            if there if token is None else not there or type(token) is not bytes or found.token != token:  # type: ignore[union-attr]
                return True, found
            left = ends - time.monotonic()
            if left <= 0:
                return False, found
            time.sleep(min(left, LOOK_EVERY))

    def look(self, ends: float) -> StateSnapshot | None:  # noqa: ARG002 - a mutant looks at it
        """Look once, in a wait that `ends` then."""
        return self.get_state()


class _RetriesDeletions(SoundRemoteDeletes):
    def delete_state(self, token: Token | None = None) -> bool:
        try:
            return super().delete_state(token)
        except RendezvousConnectionError:
            if self.closed:
                raise
            return super().delete_state(token)


class _ResolvesByTheToken(SoundRemote):
    """After a lost answer it looks whether its token is the current one."""

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        mine = secrets.token_bytes(16)
        vars(self)["nonce"] = lambda: mine
        try:
            return super().set_state(state, token)
        except RendezvousConnectionError:
            found = None if self.closed else self.get_state()
            if found is None or found.token == token:
                raise
            return SetStateResult(*found, found.token == mine)


class _OneCallAtATime(SoundRemote):
    """All instances of a process share the client, and its lock is held until the answer is there."""

    everybody: ClassVar[dict[int, threading.Lock]] = {}

    def exchange(self, request: dict[str, Any]) -> Any:
        with self.everybody.setdefault(os.getpid(), threading.Lock()):
            return super().exchange(request)


class _QueuesForLong(SoundRemote):
    """Who waits for another thread's call has the whole timeout after that."""

    def ask(self, request: dict[str, Any]) -> Any:
        with vars(self).setdefault(f"queue {os.getpid()}", threading.Lock()):
            return super().ask(request)


class _WatchesOnce(SoundRemoteWatches):
    """A wait whose connection was lost goes on, and nobody tells it anything any more."""

    def look(self, ends: float) -> StateSnapshot | None:
        try:
            return self.get_state()
        except RendezvousConnectionError:
            while not self.closed and time.monotonic() < ends:
                time.sleep(LOOK_EVERY)
            return self.get_state()


class _WaitsInVain(SoundRemoteWatches):
    """A wait whose store does not answer gives what it saw last, when its time is over."""

    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        found = self.get_state()
        try:
            return super().wait_state(token, timeout)
        except RendezvousConnectionError:
            if self.closed:
                raise
            return False, found


def of_the_network(
    broken: type[SoundRemote],
    name: str,
    sentence: str,
    *breaks: str,
    message: str | tuple[str, ...],
    may_break: tuple[str, ...] = (),
) -> Mutant:
    """Make a mutant that is tried at a server, at one that deletes where it can delete."""
    factory = accepts_options(READ_TIMEOUT)(lambda params: broken(params))
    full, may = (tuple(f"RDZV-{number}" for number in numbers) for numbers in (breaks, may_break))
    setting = with_deletions if issubclass(broken, SoundRemoteDeletes) else remotely
    return Mutant(name, sentence, full, message, factory, may, setting)


MUTANTS = (
    of_the_network(
        _RetriesDeletions,
        "retries-deletions",
        "A deletion is asked for again when its answer was lost, and there is nothing any more.",
        "CAS-15",
        message="whose answer was lost gave False",
    ),
    of_the_network(
        _ResolvesByTheToken,
        "resolves-by-the-token",
        "A write whose answer was lost was refused, says the client, if another token is there: that of who came next.",
        "CAS-14",
        message="written over before",
    ),
    of_the_network(
        _OneCallAtATime,
        "one-call-at-a-time",
        "The lock of a client that all instances share is held until the answer comes.",
        "CONN-4",
        message=("was held up by calls on one whose store is silent", "set_state(b'there', None) has not returned"),
        may_break=("CONN-11", "CONN-10", "CONN-8", "LIFE-3", "CONN-3", "CONN-5"),
    ),
    of_the_network(
        _QueuesForLong,
        "queues-for-long",
        "Calls of several threads queue, and each has the whole timeout when it is its turn.",
        "CONN-4",
        message="one was told after",
        may_break=("CONN-11", "CONN-10", "CONN-6", "LIFE-3"),
    ),
    of_the_network(
        _WatchesOnce,
        "watches-once",
        "The subscription of a wait is not renewed when the connection was lost.",
        "CONN-5",
        message="has not returned",
        may_break=("WATCH-1", "CONN-4"),
    ),
    of_the_network(
        _WaitsInVain,
        "waits-in-vain-on-silence",
        "A wait on a store that does not answer ends as if nothing had changed.",
        "CONN-4",
        message="while which the store fell silent, gave",
        may_break=("CONN-5", "WATCH-1"),
    ),
)
