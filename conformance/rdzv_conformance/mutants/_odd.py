"""Mutants that hang, die, exit, or raise what nobody expects: the suite names the clause and goes on to the next."""

from __future__ import annotations

import os
import signal
import sys
import threading
import unittest
from typing import Any

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_core import SetStateResult, StateSnapshot, Token

LARGE = 256 * 1024
OF_LARGE_STATES = ("STATE-4", "STATE-5")


class _Odd(SoundMemory):
    """Sound but for large states."""

    def odd(self) -> None:
        raise NotImplementedError

    def set_state(self, state: bytes, token: Any = None) -> SetStateResult | None:
        if len(state) == LARGE:
            self.odd()
        return super().set_state(state, token)


@mutant(
    "hangs-in-a-write",
    "A write that is too large for a buffer waits for ever for somebody to empty it.",
    *OF_LARGE_STATES,
    message="has not returned",
)
class HangsInAWrite(_Odd):
    def odd(self) -> None:
        threading.Event().wait()


@mutant(
    "hangs-in-close",
    "The second close() waits for a thread that ended with the first.",
    "LIFE-1",
    message="close() has not returned",
    may_break=("LIFE-5",),
)
class HangsInClose(SoundMemory):
    def close(self) -> None:
        if self._closed:
            threading.Event().wait()
        super().close()


@mutant(
    "hangs-in-a-sibling",
    "Making a sibling asks for a lock that is held already.",
    "RUN-3",
    "LIFE-5",
    "PKG-2",
    "CAS-5",
    message="has not returned",
    may_break=("LIFE-4", "LIFE-6", "RUN-1", "STATE-9", "LIFE-1"),
)
class HangsInASibling(SoundMemory):
    def sibling(self, purpose: str) -> SoundMemory:
        lock = threading.Lock()
        with lock, lock:
            return super().sibling(purpose)


class _OddError(BaseException):
    """Of a library that lets its errors derive from the root."""


@mutant(
    "raises-from-the-root", "A library's error derives from BaseException.", *OF_LARGE_STATES, message="_OddError: odd"
)
class RaisesFromTheRoot(_Odd):
    def odd(self) -> None:
        raise _OddError("odd")


@mutant("exits", "The client library ends the program when it cannot go on.", *OF_LARGE_STATES, message="SystemExit: 3")
class Exits(_Odd):
    def odd(self) -> None:
        sys.exit(3)


@mutant(
    "interrupts",
    "A signal handler of the library raises KeyboardInterrupt in the caller.",
    *OF_LARGE_STATES,
    message="raised KeyboardInterrupt",
)
class Interrupts(_Odd):
    def odd(self) -> None:
        raise KeyboardInterrupt


@mutant(
    "calls-itself",
    "An encoder calls itself for every byte of a large state.",
    *OF_LARGE_STATES,
    message="raised RecursionError",
)
class CallsItself(_Odd):
    def odd(self) -> None:
        self.odd()


@mutant(
    "skips-itself",
    "A backend that raises SkipTest, to leave the clauses that it does not keep untested.",
    *OF_LARGE_STATES,
    message="raised SkipTest",
)
class SkipsItself(_Odd):
    def odd(self) -> None:
        raise unittest.SkipTest("not today")


@mutant(
    "dies",
    "A bug in a compiled client kills the process.",
    *OF_LARGE_STATES,
    message="the process died in this test (status -9",
    in_a_child=True,
)
class Dies(_Odd):
    def odd(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


@mutant(
    "leaves",
    "The process is ended without a word by a library that wants no clean-up.",
    *OF_LARGE_STATES,
    message="the process died in this test (status 7",
    in_a_child=True,
)
class Leaves(_Odd):
    def odd(self) -> None:
        os._exit(7)


@mutant(
    "gives-a-list",
    "get_state gives a list, as a JSON decoder makes it.",
    "STATE-2",
    message="it must give (state, token) or None",
    may_break=tuple(
        f"{section}-{number}"
        for section, numbers in {"STATE": 9, "CAS": 14, "RUN": 4, "LIFE": 6, "CONN": 9}.items()
        for number in range(1, numbers + 1)
    ),
)
class GivesAList(SoundMemory):
    def get_state(self) -> StateSnapshot | None:
        found = super().get_state()
        return found and list(found)  # type: ignore[return-value]


@mutant(
    "takes-no-threads",
    "The connection belongs to the thread that made it, as SQLite's does.",
    "CAS-11",
    message="raised RuntimeError",
    may_break=("LIFE-1", "LIFE-3", "CAS-9", "CAS-12", "RUN-2", "RUN-3"),
)
class TakesNoThreads(SoundMemory):
    _thread = 0

    def get_state(self) -> StateSnapshot | None:
        self._mine()
        return super().get_state()

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        self._mine()
        return super().set_state(state, token)

    def _mine(self) -> None:
        self._thread = self._thread or threading.get_ident()
        if self._thread != threading.get_ident():
            raise RuntimeError("objects created in a thread can only be used in that same thread")


MUTANTS = (
    HangsInAWrite,
    HangsInClose,
    HangsInASibling,
    RaisesFromTheRoot,
    Exits,
    Interrupts,
    CallsItself,
    SkipsItself,
    Dies,
    Leaves,
    GivesAList,
    TakesNoThreads,
)
