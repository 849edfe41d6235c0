"""Mutants of RDZV-CAS-5, 7 and 15: what a token is made of that others have too, and what is taken for it."""

from __future__ import annotations

import hashlib
import itertools
import numbers
import os
import random
import socket
import time
import uuid
from collections.abc import Iterator
from typing import Any, ClassVar

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT, SoundRemote
from rdzv_conformance.mutants._settings import remotely
from rdzv_conformance.mutants._unique import _Draws
from rdzv_core import accepts_options


class _CountsAfter(SoundRemote):
    """A token is what it takes for its process's own, and a number."""

    counter: ClassVar[Iterator[int]] = itertools.count()

    def process(self) -> str:
        """Return what it takes for this process's own."""
        raise NotImplementedError

    def nonce(self) -> bytes | None:
        return hashlib.md5(f"{self.process()}-{next(self.counter)}".encode(), usedforsecurity=False).digest()


class _ProcessId(_CountsAfter):
    def process(self) -> str:
        return str(os.getpid())


class _HostAndProcessId(_CountsAfter):
    def process(self) -> str:
        return f"{socket.gethostname()}/{os.getpid()}/{socket.getfqdn()}"


class _NodeAndStart(_CountsAfter):
    started: ClassVar[dict[int, float]] = {}

    def process(self) -> str:
        return f"{uuid.getnode()}/{self.started.setdefault(os.getpid(), int(time.time()))}/{os.getpid()}"


class _SharedRandom(SoundRemote):
    """A token is drawn from the generator of the module, which everybody may seed."""

    def nonce(self) -> bytes | None:
        return random.getrandbits(128).to_bytes(16, "big")


def _alike(broken: type[SoundRemote], name: str, sentence: str) -> Mutant:
    factory = accepts_options(READ_TIMEOUT)(lambda params: broken(params))
    message = "one process id and one host name"
    return Mutant(name, sentence, ("RDZV-CAS-7",), message, factory, (), remotely)


class _OfTheInstance(_Draws):
    """A token is the instance's place in memory, and a number of its own."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.numbers = itertools.count()

    def draw(self) -> Any:
        return f"{self.place():x}-{next(self.numbers)}"

    def place(self) -> int:
        return id(self)


@mutant(
    "id-of-the-instance",
    "A token is id(self) and a counter: a new object is put where an old one was.",
    "CAS-7",
    message="instances that came and went",
)
class IdOfTheInstance(_OfTheInstance):
    pass


@mutant(
    "id-of-what-it-holds",
    "A token is the id of an object of the instance, and a counter.",
    "CAS-7",
    message="instances that came and went",
)
class IdOfWhatItHolds(_OfTheInstance):
    def place(self) -> int:
        return id(self.numbers)


class _Takes(SoundMemory):
    """Takes other tokens for the current one: see `is_it`."""

    def is_it(self, token: Any, current: Any) -> bool:
        raise NotImplementedError

    def meant(self, token: Any) -> Any:
        """Return the current token, if this one is taken for it."""
        with self.opened():
            found = self.hub.registers.get(self.key) if token is not None else None
            return found.token if found and self.is_it(token, found.token) else token


class _WritesWith(_Takes):
    def set_state(self, state: bytes, token: Any = None) -> Any:
        with self.opened():
            return super().set_state(state, self.meant(token))


class _DeletesWith(_Takes):
    def delete_state(self, token: Any = None) -> bool:
        with self.opened():
            return super().delete_state(self.meant(token))


def _is_its_buffer(token: Any, current: Any) -> bool:
    return isinstance(token, (bytes, bytearray, memoryview)) and bytes(token) == current


@mutant(
    "any-buffer-is-a-token",
    "bytes(token) is compared: a bytearray, which can be changed, is a token too.",
    "CAS-5",
    message="gave has_set=True",
)
class AnyBufferIsAToken(_WritesWith):
    def is_it(self, token: Any, current: Any) -> bool:
        return _is_its_buffer(token, current)


@mutant("deletes-by-any-buffer", "A deletion compares bytes(token).", "CAS-15", message="it must be False")
class DeletesByAnyBuffer(_DeletesWith):
    def is_it(self, token: Any, current: Any) -> bool:
        return _is_its_buffer(token, current)


@mutant(
    "compares-the-other-way",
    "`token == current` asks the caller's object whether it is equal.",
    "CAS-5",
    message="gave has_set=True",
)
class ComparesTheOtherWay(_WritesWith):
    def is_it(self, token: Any, current: Any) -> bool:
        return bool(token == current)


class _Numbers(_Draws):
    """Its tokens count the writes of the store."""

    def draw(self) -> Any:
        counter: Iterator[int] = vars(self.hub).setdefault("numbers", itertools.count(2**40))
        return next(counter)


@mutant(
    "a-float-is-an-int",
    "Tokens are ints, and a float that is equal to one is one.",
    "CAS-5",
    message="gave has_set=True",
    may_break=("CAS-15",),
)
class AFloatIsAnInt(_Numbers):
    def is_same(self, shown: Any, token: Any) -> bool:
        return isinstance(token, (int, float)) and shown == token


@mutant(
    "any-number-is-a-token",
    "Tokens are compared as numbers: a Decimal will do.",
    "CAS-5",
    message="gave has_set=True",
    may_break=("CAS-15",),
)
class AnyNumberIsAToken(_Numbers):
    def is_same(self, shown: Any, token: Any) -> bool:
        return isinstance(token, numbers.Number) and bool(shown == token)


SOURCES: tuple[tuple[type[SoundRemote], str, str], ...] = (
    (_ProcessId, "process-id-and-counter", "A token is the process's id and a counter: in each container it is 1."),
    (_HostAndProcessId, "host-and-process-id", "A token is host, process id, counter: a container keeps its name."),
    (_SharedRandom, "of-the-shared-generator", "A token is drawn by `random`, which the nodes of a job seed alike."),
    (_NodeAndStart, "node-and-start", "A token is a MAC address, the second of the start and a counter."),
)
MUTANTS = (
    *(_alike(*source) for source in SOURCES),
    IdOfTheInstance,
    IdOfWhatItHolds,
    AnyBufferIsAToken,
    DeletesByAnyBuffer,
    ComparesTheOtherWay,
    AFloatIsAnInt,
    AnyNumberIsAToken,
)
