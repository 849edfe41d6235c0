"""Mutants of RDZV-STORE-2, 3, 8 and 9: values, races, missing keys and wake-ups."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rdzv_conformance.mutants._stores import store_mutant
from rdzv_core import RendezvousTimeoutError
from rdzv_core.memory._store import MemoryStore


class _NamesTheFirst(MemoryStore):
    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        wanted = list(keys)
        try:
            return super().multi_get(wanted, timeout)
        except RendezvousTimeoutError:
            missing = next((key for key in wanted if key not in self._look()), wanted[0])
            raise RendezvousTimeoutError(f"waited for {missing!r}") from None


class _NamesAll(MemoryStore):
    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        wanted = list(keys)
        try:
            return super().multi_get(wanted, timeout)
        except RendezvousTimeoutError:
            raise RendezvousTimeoutError(f"waited for {wanted}") from None


class _ComparesThenSets(MemoryStore):
    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        there = self._look().get(key)
        if there != expected:
            return there
        self.set(key, desired)
        return desired


class _ComparesThenSetsSlowly(MemoryStore):
    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        there = self._look().get(key)
        if there != expected:
            return there
        time.sleep(0.0005)  # the way to the store
        self.set(key, desired)
        return desired


class _TellsItsOwn(MemoryStore):
    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        gave = super().compare_set(key, expected, desired)
        return desired if gave is not None and expected is None and gave != desired and key != "k" else gave


class _CutsValues(MemoryStore):
    def multi_set(self, items: Mapping[str, bytes]) -> None:
        super().multi_set({key: value[:65536] for key, value in items.items()})


class _StripsValues(MemoryStore):
    def multi_set(self, items: Mapping[str, bytes]) -> None:
        super().multi_set({key: value.strip(b" \r\n") for key, value in items.items()})


class _DropsMarks(MemoryStore):
    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        return [value.removeprefix(b"\xef\xbb\xbf") for value in super().multi_get(keys, timeout)]


class _Deaf(MemoryStore):
    """What its `deaf` calls set wakes nobody."""

    deaf: frozenset[str] = frozenset()

    def _quietly(self, call: str, edit: Callable[[dict[str, bytes]], Any]) -> Any:
        if call not in self.deaf:
            return self._edit(edit)
        with self._backend.opened():
            return edit(self._values())

    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        def edit(values: dict[str, bytes]) -> bytes | None:
            if values.get(key) == expected:
                values[key] = desired
            return values.get(key)

        answer: bytes | None = self._quietly("compare_set", edit)
        return answer

    def multi_set(self, items: Mapping[str, bytes]) -> None:
        self._quietly("multi_set" if len(items) > 1 else "set", lambda values: values.update(items))


class _CompareSetWakesNobody(_Deaf):
    deaf = frozenset({"compare_set"})


class _MultiSetWakesNobody(_Deaf):
    deaf = frozenset({"multi_set"})


class _AddWakesNobody(MemoryStore):
    def _edit(self, edit: Callable[[dict[str, bytes]], Any]) -> Any:
        if "MemoryStore.add" not in edit.__qualname__ and "MapStore.add" not in edit.__qualname__:
            return super()._edit(edit)
        with self._backend.opened():
            return edit(self._values())


class _TicksOff(MemoryStore):
    def _await(self, ready: Callable[[Mapping[str, bytes]], bool], timeout: float) -> Mapping[str, bytes]:
        seen: dict[str, bytes] = {}
        deadline = time.monotonic() + timeout
        with self._backend.opened():
            seen.update(self._values())
            while not ready(seen) and self._backend.wait_changed(deadline):
                seen.update(self._values())
        return seen


MUTANTS = (
    store_mutant(
        _NamesTheFirst,
        "names-the-first-missing",
        "A timeout names the first key that is missing, and not the others.",
        "STORE-2",
        message="does not name the key",
    ),
    store_mutant(
        _NamesAll,
        "names-all-as-missing",
        "A timeout names every key that was asked for, also those that are there.",
        "STORE-2",
        message="names the key 'here-1'",
    ),
    store_mutant(
        _ComparesThenSets,
        "compares-then-sets",
        "compare_set reads and then sets: of two at once both win, now and then.",
        "STORE-3",
        message="compare_set",
    ),
    store_mutant(
        _ComparesThenSetsSlowly,
        "compares-then-sets-remotely",
        "compare_set reads and then sets, in two requests.",
        "STORE-3",
        message="compare_set",
    ),
    store_mutant(
        _TellsItsOwn,
        "tells-the-loser-its-own",
        "A compare_set that creates nothing says the value that was wanted.",
        "STORE-3",
        message="raced to create one key",
        may_break=("STORE-1",),
    ),
    store_mutant(
        _CutsValues,
        "values-of-64-kib",
        "A value of 70,000 bytes becomes one of 65,536.",
        "STORE-8",
        message="bytes came back with 65536",
        may_break=("STORE-3",),
    ),
    store_mutant(
        _StripsValues,
        "values-are-stripped",
        "Values go through lines.",
        "STORE-8",
        message="is read as",
        may_break=("STORE-3", "STORE-4"),
    ),
    store_mutant(
        _DropsMarks, "values-lose-their-mark", "Values are read as utf-8-sig.", "STORE-8", message="is read as"
    ),
    store_mutant(
        _CompareSetWakesNobody,
        "compare-set-wakes-nobody",
        "compare_set sets the key by another way than set, which notifies nobody.",
        "STORE-9",
        message="after compare_set set that key",
    ),
    store_mutant(
        _MultiSetWakesNobody,
        "multi-set-wakes-nobody",
        "multi_set is one transaction, and the notification is of single sets.",
        "STORE-9",
        message="after multi_set set that key",
    ),
    store_mutant(
        _AddWakesNobody,
        "add-wakes-nobody",
        "A counter is no key of the kind that is waited for.",
        "STORE-9",
        message="after add set that key",
    ),
    store_mutant(
        _TicksOff,
        "ticks-off-what-came",
        "A wait for several keys ticks off each that has come, also if it went again.",
        "STORE-9",
        message="one of its keys was deleted again",
    ),
)
