"""Mutants of "as soon as": who waits is told of nothing, or not of everything, and looks every so often."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_core import Token
from rdzv_core.memory._store import MemoryStore

TOLD_BY_A_LOOK = "and not be found by a look"


class _Mute(threading.Condition):
    """What is changed while this is held wakes nobody."""

    def notify_all(self) -> None:
        pass


class _Looking(SoundMemory):
    """Its waits look every `SECONDS`; of what its `quiet` methods, or those of its stores, change nobody is told."""

    SECONDS = 1.0
    quiet: tuple[str, ...] = ()
    _calls = threading.local()

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return self.silenced(found) if name in type(self).quiet else found

    def silenced(self, method: Any) -> Any:
        """Return a method that tells nobody."""

        def call(*arguments: Any) -> Any:
            before, self._calls.silent = getattr(self._calls, "silent", False), True
            try:
                return method(*arguments)
            finally:
                self._calls.silent = before

        return call

    @contextmanager
    def opened(self) -> Iterator[threading.Condition]:
        with super().opened() as changed:
            yield _Mute() if getattr(self._calls, "silent", False) else changed

    def store(self, prefix: str) -> _LookingStore:
        return _LookingStore(self, prefix)

    def pause(self) -> float:
        """Return how long the next pause between two looks takes."""
        return self.SECONDS

    def wait_changed(self, deadline: float) -> bool:
        super().wait_changed(min(deadline, time.monotonic() + self.pause()))
        return time.monotonic() < deadline


class _LookingStore(MemoryStore):
    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_"):
            return found
        backend = self._backend
        assert isinstance(backend, _Looking)
        return backend.silenced(found) if name in type(backend).quiet else found


def _looking(name: str, sentence: str, *breaks: str, quiet: tuple[str, ...], **how: float) -> Mutant:
    kind = type("Looking", (_Looking,), {"quiet": quiet, **how})
    return mutant(name, sentence, *breaks, message=TOLD_BY_A_LOOK)(kind)


@mutant(
    "the-end-of-a-lease-is-looked-for",
    "wait_members is told of every call, but nobody calls when a ttl is over: it looks once a second.",
    "MEMBER-7",
    message=TOLD_BY_A_LOOK,
)
class TheEndOfALeaseIsLookedFor(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while True:
            with self._members() as table:
                if table.version != version:
                    return True
                due = min(deadline, time.monotonic() + 1.0)
                if not self.wait_changed(due) and due >= deadline:
                    return False


class _RarerAndRarer(_Looking):
    """Looks after 10 ms, and each time after twice as long as before, up to two seconds."""

    quiet = ("set_state",)
    _waits = threading.local()

    def wait_state(self, token: Token | None, timeout: float) -> Any:
        self._waits.pause = 0.005
        return super().wait_state(token, timeout)

    def pause(self) -> float:
        self._waits.pause = min(2 * getattr(self._waits, "pause", 0.005), 2.0)
        return float(self._waits.pause)


MUTANTS = (
    _looking(
        "writes-are-looked-for",
        "A watch is told of deletions and of no write: it finds writes by one look a second.",
        *("WATCH-1", "WATCH-2"),
        quiet=("set_state",),
    ),
    _looking(
        "deletions-are-looked-for",
        "A watch is told of writes and of no deletion: it finds deletions by one look a second.",
        "WATCH-3",
        quiet=("delete_state",),
    ),
    mutant(
        "writes-are-looked-for-less-and-less",
        "A watch looks at once and soon again, and the longer it waits the less often.",
        "WATCH-1",
        message=TOLD_BY_A_LOOK,
        may_break=("WATCH-2",),
    )(_RarerAndRarer),
    _looking(
        "entries-are-looked-for",
        "wait_members is told of who leaves, and not of who enters: it looks once a second.",
        "MEMBER-7",
        quiet=("enter",),
    ),
    _looking(
        "updates-are-looked-for",
        "wait_members is told of who comes and goes, and not of a new payload: it looks once a second.",
        "MEMBER-7",
        quiet=("update",),
    ),
    _looking(
        "leaving-is-looked-for",
        "wait_members is told of who enters, and not of who leaves: it looks once a second.",
        "MEMBER-7",
        quiet=("leave",),
    ),
    TheEndOfALeaseIsLookedFor,
    _looking(
        "keys-are-looked-for",
        "Waits of a store are told of nothing: they look for the key once a second.",
        *("STORE-2", "STORE-9"),
        quiet=("set", "multi_set", "compare_set", "add", "delete_key"),
    ),
    _looking(
        "only-set-tells",
        "set tells who waits; what add and compare_set create is found by one look a second.",
        "STORE-9",
        quiet=("compare_set", "add"),
    ),
)
