"""Mutants of RDZV-WATCH-6, MEMBER-16 and STORE-7: a call that waits holds a lock that another kind of call takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_core import Store
from rdzv_core.memory._store import MemoryStore

Lock = AbstractContextManager[Any]

STORE_WAITS = frozenset({"get", "multi_get", "wait"})
STORE_CALLS = frozenset({"set", "check", "delete_key", "num_keys", "multi_set", "compare_set", "add"})
MEMBER_CALLS = frozenset({"members", "first", "count", "enter", "refresh", "update", "leave"})


class _LockedStore(MemoryStore):
    """A store whose calls, as far as `locked` names them, are made under the lock of its backend."""

    def __init__(self, backend: _Locked, prefix: str) -> None:
        super().__init__(backend, prefix)
        self._locked = backend

    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        with self._locked.lock_for("get"):
            return super().multi_get(keys, timeout)

    def multi_set(self, items: Mapping[str, bytes]) -> None:
        with self._locked.lock_for("set"):
            super().multi_set(items)

    def num_keys(self) -> int:
        with self._locked.lock_for("num_keys"):
            return super().num_keys()


class _Locked(SoundMemory):
    """Every call that `locked` names is made under one lock of the instance, those that wait too."""

    locked: frozenset[str] = frozenset()
    at_once = 1

    def lock_for(self, call: str) -> Lock:
        """Return what a call holds; what it calls in turn on its own thread is free."""
        there: threading.local = vars(self).setdefault("there", threading.local())
        lock: threading.Semaphore = vars(self).setdefault("lock", threading.Semaphore(self.at_once))
        return _Once(there, lock) if call in self.locked else _Once(there, None)

    def store(self, prefix: str) -> Store:
        super().store(prefix)
        return _LockedStore(self, prefix)


class _Once:
    def __init__(self, there: threading.local, lock: threading.Semaphore | None) -> None:
        self._there, self._lock = there, None if vars(there).get("held") else lock

    def __enter__(self) -> None:
        if self._lock is not None:
            self._lock.acquire()
            self._there.held = True

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._there.held = False
            self._lock.release()


def _under_lock(name: str) -> Callable[..., Any]:
    def call(self: _Locked, *arguments: Any) -> Any:
        with self.lock_for(name):
            return getattr(SoundMemory, name)(self, *arguments)

    return call


def _mutant(
    name: str,
    sentence: str,
    clause: str,
    *locked: str,
    may_break: tuple[str, ...] = (),
    at_once: int = 1,
) -> Mutant:
    calls = {each: _under_lock(each) for each in locked if hasattr(SoundMemory, each)}
    body = {"locked": frozenset(locked), "at_once": at_once, "__module__": __name__, **calls}
    broken = type("Broken", (_Locked,), body)
    others = ("LIFE-3", "LIFE-5", "LIFE-7", "WATCH-5", "MEMBER-7", "STORE-2", *may_break)
    return mutant(name, sentence, clause, message="has not returned", may_break=others)(broken)


MUTANTS = (
    _mutant(
        "one-wait-at-a-time",
        "A second wait_state starts when the first has ended.",
        "WATCH-6",
        "wait_state",
        may_break=("WATCH-4",),
    ),
    _mutant(
        "four-waits-at-a-time",
        "Waits run on a pool of four threads: a fifth one starts when one has ended.",
        "WATCH-6",
        "wait_state",
        at_once=4,
    ),
    _mutant(
        "a-wait-holds-up-the-listing",
        "The connection on which a wait listens is the one that lists.",
        "WATCH-6",
        *("wait_state", "list_keys"),
        may_break=("WATCH-4",),
    ),
    _mutant(
        "a-wait-holds-up-members",
        "wait_state and what is about members share a connection.",
        "WATCH-6",
        *("wait_state", "members", "count"),
        may_break=("MEMBER-16", "WATCH-4"),
    ),
    _mutant(
        "a-wait-holds-up-the-store",
        "wait_state and a store's calls share a connection.",
        "WATCH-6",
        *("wait_state", "set"),
        may_break=("STORE-7", "WATCH-4"),
    ),
    _mutant(
        "members-wait-one-by-one",
        "A second wait_members starts when the first has ended.",
        "MEMBER-16",
        "wait_members",
    ),
    _mutant(
        "sixty-four-members-wait",
        "Waits for members run on a pool of sixty-four threads.",
        "MEMBER-16",
        "wait_members",
        at_once=64,
    ),
    _mutant(
        "a-hundred-members-wait",
        "A connection has a hundred streams: the next wait begins when one has ended.",
        "MEMBER-16",
        "wait_members",
        at_once=100,
    ),
    _mutant(
        "members-wait-with-the-lock",
        "wait_members holds the lock that entering takes.",
        "MEMBER-16",
        *("wait_members", "enter"),
    ),
    _mutant(
        "members-hold-up-the-state",
        "get_state waits while wait_members does.",
        "MEMBER-16",
        *("wait_members", "get_state"),
        may_break=("MEMBER-9",),
    ),
    _mutant("get-holds-up-get-state", "get_state waits while a store's get does.", "STORE-7", "get", "get_state"),
    _mutant("get-holds-up-set", "A store's set waits while its get does.", "STORE-7", "get", "set"),
    _mutant("gets-one-by-one", "A second get starts when the first has ended.", "STORE-7", "get"),
    _mutant(
        "get-holds-up-a-wait",
        "A wait for the state starts when a store's get has ended.",
        "STORE-7",
        *("get", "wait_state"),
        may_break=("WATCH-6",),
    ),
    _mutant("get-holds-up-num-keys", "num_keys waits while a get does.", "STORE-7", "get", "num_keys"),
)
