"""Mutants of RDZV-STORE-3, 8, 9 and 12: what one does undoes what another one does, or is seen in parts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from rdzv_conformance.mutants._remote_stores import RemoteMap
from rdzv_conformance.mutants._store_calls import store_mutant
from rdzv_conformance.mutants._store_races import OF_THIS_PROCESS, AddsByItself, of_processes
from rdzv_core.memory._store import MemoryStore
from rdzv_core.validation import checked_key, checked_value

R = TypeVar("R")

LARGE = 64 * 1024


class _ComparesAndThenSets(MemoryStore):
    """Two who compare exclude each other; a set or a deletion in between is written over."""

    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        with OF_THIS_PROCESS:
            there = self._look().get(checked_key(key))
            if there != expected:
                return there
            time.sleep(0)
            self.set(key, desired)
            return desired


class _AddsAndThenSets(AddsByItself):
    """Two who add or compare exclude each other; a set in between is written over."""

    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        with OF_THIS_PROCESS:
            return super().compare_set(key, expected, desired)


class _InTwoParts(MemoryStore):
    """A large value is kept in two parts, written one after the other."""

    def multi_set(self, items: Mapping[str, bytes]) -> None:
        given = {checked_key(key): checked_value(key, value) for key, value in items.items()}
        for key, value in given.items():
            if len(value) > LARGE:
                rest = self._look().get(key, b"")[LARGE:]
                self._edit(lambda values, key=key, part=value[:LARGE] + rest: values.update({key: part}))  # type: ignore[misc]
                time.sleep(0)
        super().multi_set(given)


class _CreatedAndThenFilled(MemoryStore):
    """A key is created, and then given its value."""

    def multi_set(self, items: Mapping[str, bytes]) -> None:
        given = {checked_key(key): checked_value(key, value) for key, value in items.items()}
        new = [key for key, value in given.items() if len(value) > LARGE and key not in self._look()]
        if new:
            self._edit(lambda values: values.update(dict.fromkeys(new, b"")))
            time.sleep(0)
        super().multi_set(given)


class _ToldBeforeItIsThere(MemoryStore):
    """add tells those who wait, and then writes."""

    def add(self, key: str, amount: int) -> int:
        with self._backend.opened() as changed:
            changed.notify_all()
        with self._backend.opened():
            values = self._values()
            there = values.get(checked_key(key), b"0")
            if not there.lstrip(b"-").isdigit():
                raise ValueError("not an integer")
            values[key] = b"%d" % (int(there) + amount)
            return int(there) + amount


class _WaitsAfterALook(MemoryStore):
    """wait looks, and then registers; get does both at once."""

    def wait(self, keys: Iterable[str], timeout: float | None = None) -> None:
        wanted, deadline = [*keys], time.monotonic() + (300.0 if timeout is None else timeout)
        while not self.check(wanted):
            with self._backend.opened():
                woken = self._backend.wait_changed(deadline)
            if not woken:
                break
        self.multi_get(wanted, 0)


class _DeletesLockedHere(RemoteMap):
    """delete_key looks and deletes with a lock of its process."""

    def delete_key(self, key: str) -> bool:
        with OF_THIS_PROCESS:
            there = checked_key(key) in self._look()
            super().delete_key(key)
            return there


_SEEN: dict[tuple[str, str], dict[str, bytes]] = {}
"""What this process has seen of a store, by where it is and its name."""


class _SeesNoDeletion(RemoteMap):
    """What is read is added to what was read before."""

    def _look(self) -> Mapping[str, bytes]:
        seen = _SEEN.setdefault((self._backend.params.endpoint, self._name), {})
        seen.update(super()._look())
        return dict(seen)

    def _edit(self, edit: Callable[[dict[str, bytes]], R]) -> R:
        answer = super()._edit(edit)
        _SEEN.pop((self._backend.params.endpoint, self._name), None)
        return answer


MUTANTS = (
    store_mutant(
        "compares-and-then-sets",
        "compare_set excludes other compare_sets by a lock; a set in between is written over.",
        "STORE-3",
        message=("that had found an older value wrote over it", "the sum of what add and compare_set have added"),
        broken=_ComparesAndThenSets,
    ),
    store_mutant(
        "adds-and-then-sets",
        "add and compare_set exclude each other by a lock; a set in between is written over.",
        "STORE-3",
        message="an add that had found an older number wrote over it",
        broken=_AddsAndThenSets,
        may_break=("STORE-5",),
    ),
    store_mutant(
        "values-in-two-parts",
        "A large value is written in two parts.",
        "STORE-8",
        message="a value is read whole",
        broken=_InTwoParts,
    ),
    store_mutant(
        "keys-created-and-then-filled",
        "A key is created, which wakes who waits for it, and then given its value.",
        "STORE-8",
        message="a value is read whole",
        broken=_CreatedAndThenFilled,
    ),
    store_mutant(
        "told-before-it-is-there",
        "add wakes those who wait, and then writes the key.",
        "STORE-9",
        message="that wake-up is lost",
        broken=_ToldBeforeItIsThere,
        may_break=("STORE-2", "STORE-5"),
    ),
    store_mutant(
        "waits-after-a-look",
        "wait looks, and then registers: a set in between wakes nobody. get does both at once.",
        "STORE-9",
        message="that wake-up is lost",
        broken=_WaitsAfterALook,
        may_break=("STORE-2",),
    ),
    of_processes(
        "deletes-locked-in-the-process",
        "delete_key looks and deletes with a lock of its process: two processes are both told that they deleted it.",
        "how often delete_key gave True",
        _DeletesLockedHere,
        ("STORE-3",),
    ),
    of_processes(
        "sees-no-deletion",
        "A process adds what it reads to what it knows: keys that another one deletes stay.",
        "check of what another process has deleted",
        _SeesNoDeletion,
        ("STORE-3",),
    ),
)
