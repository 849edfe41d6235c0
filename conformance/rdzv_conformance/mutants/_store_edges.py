"""Mutants of RDZV-STORE-1 and 9: no keys, keys twice, many keys, and who is woken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rdzv_conformance.mutants._stores import store_mutant
from rdzv_core.memory._store import MemoryStore


class _EachKeyOnce(MemoryStore):
    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        return super().multi_get(dict.fromkeys(keys), timeout)


class _NothingIsNotThere(MemoryStore):
    def check(self, keys: Iterable[str]) -> bool:
        wanted = list(keys)
        return bool(wanted) and super().check(wanted)


class _EmptyIsAbsent(MemoryStore):
    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        if not expected and not self._look().get(key):
            self.set(key, desired)
            return desired
        return super().compare_set(key, expected, desired)


class _AHundredAtMost(MemoryStore):
    def multi_set(self, items: Mapping[str, bytes]) -> None:
        super().multi_set(dict(list(items.items())[:100]))


class _FiveHundredAreCounted(MemoryStore):
    def num_keys(self) -> int:
        return min(super().num_keys(), 500)


class _AThousandVariables(MemoryStore):
    """A statement takes so many, and what is beyond is not asked for."""

    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        wanted = [*keys]
        found = super().multi_get(wanted[:999], timeout)
        return [*found, *([b""] * (len(wanted) - len(found)))]


class _InTheOrderOfTheStore(MemoryStore):
    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        wanted = list(keys)
        found = dict(zip(wanted, super().multi_get(wanted, timeout), strict=True))
        return [found[key] for key in sorted(wanted)] if len(wanted) > 5 else [found[key] for key in wanted]


class _WakesOne(MemoryStore):
    def _edit(self, edit: Callable[[dict[str, bytes]], Any]) -> Any:
        with self._backend.opened() as changed:
            answer = edit(self._values())
            changed.notify(1)
            return answer


class _WakesTheFirstKeys(MemoryStore):
    """A change is announced by its first key, and those who wait for another one are not told."""

    def multi_set(self, items: Mapping[str, bytes]) -> None:
        if len(items) <= 3:
            super().multi_set(items)
            return
        first = next(iter(items))
        with self._backend.opened():
            self._values().update({key: value for key, value in items.items() if key != first})
            vars(self._backend.hub).setdefault("untold", set()).update(key for key in items if key != first)
        super().multi_set({first: items[first]})

    def _await(self, ready: Callable[[Mapping[str, bytes]], bool], timeout: float) -> Mapping[str, bytes]:
        began = set(self._look())

        def told(values: Mapping[str, bytes]) -> bool:
            untold = vars(self._backend.hub).get("untold", set()) - began
            return ready({key: value for key, value in values.items() if key not in untold})

        return super()._await(told, timeout)


MUTANTS = (
    store_mutant(
        _EachKeyOnce,
        "each-key-once",
        "Keys go through a set: one that is asked for twice comes once.",
        "STORE-1",
        message="multi_get(['b', 'a', 'b'])",
    ),
    store_mutant(
        _NothingIsNotThere,
        "nothing-is-not-there",
        "Of no keys none is there.",
        "STORE-1",
        message="check([])",
    ),
    store_mutant(
        _EmptyIsAbsent,
        "an-empty-value-is-absent",
        "compare_set takes an empty value for none.",
        "STORE-1",
        message="where the value is empty",
        may_break=("STORE-3",),
    ),
    store_mutant(
        _AHundredAtMost,
        "a-hundred-at-most",
        "A transaction takes a hundred keys, and the rest is left out.",
        "STORE-1",
        message="num_keys() of many",
    ),
    store_mutant(
        _FiveHundredAreCounted,
        "five-hundred-are-counted",
        "num_keys counts the first page of a listing.",
        "STORE-1",
        message="num_keys() of many is 500",
        may_break=("STORE-3",),
    ),
    store_mutant(
        _AThousandVariables,
        "a-thousand-variables",
        "A statement takes 999 keys, and what is beyond them reads as empty.",
        "STORE-1",
        message="that multi_get gave another value for",
        may_break=("STORE-3",),
    ),
    store_mutant(
        _InTheOrderOfTheStore,
        "in-the-order-of-the-store",
        "Many keys come in the order in which the store has them.",
        "STORE-1",
        message="gave another value for",
        may_break=("STORE-3",),
    ),
    store_mutant(
        _WakesOne,
        "wakes-one",
        "A key that is set wakes one of those who wait (notify instead of notify_all).",
        "STORE-9",
        message="has not",
        may_break=("STORE-2", "STORE-10", "STORE-7", "WATCH-6", "MEMBER-16"),
    ),
    store_mutant(
        _WakesTheFirstKeys,
        "wakes-for-the-first-key",
        "Keys that are set together are announced by the first one.",
        "STORE-9",
        message="has not been woken",
    ),
)
