"""Mutants of RDZV-STORE: what is wrong with a map."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_core import RendezvousTimeoutError, Store
from rdzv_core.memory._store import MemoryStore


class _FirstValueStays(MemoryStore):
    def multi_set(self, items: Mapping[str, bytes]) -> None:
        self._edit(lambda values: values.update({k: v for k, v in items.items() if k not in values}))


class _DeletesByEmptying(MemoryStore):
    def delete_key(self, key: str) -> bool:
        return (
            self._edit(lambda values: values.pop(key, None) if key not in values else values.update({key: b""})) is None
        )


class _AnyKeyWillDo(MemoryStore):
    def check(self, keys: Iterable[str]) -> bool:
        return any(key in self._look() for key in keys)


class _NeverWaits(MemoryStore):
    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        return super().multi_get(keys, 0 if timeout and timeout > 1 else timeout)


class _NamesNoKey(MemoryStore):
    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        try:
            return super().multi_get(keys, timeout)
        except RendezvousTimeoutError:
            raise RendezvousTimeoutError("timed out") from None


class _GivesUpWithAKeyError(MemoryStore):
    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        try:
            return super().multi_get(keys, timeout)
        except RendezvousTimeoutError as error:
            raise KeyError("no such key") from error


class _AddsInTwoSteps(MemoryStore):
    def add(self, key: str, amount: int) -> int:
        total = (
            int(self._look().get(key, b"0")) + amount if self._look().get(key, b"0").lstrip(b"-").isdigit() else None
        )
        if total is None:
            raise ValueError("no integer")
        time.sleep(0.001)  # the way to the store
        self.set(key, b"%d" % total)
        return total


class _ComparesInVain(MemoryStore):
    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        if expected is None:
            self.set(key, desired)
            return desired
        return super().compare_set(key, expected, desired)


class _CreatesWhateverIsExpected(MemoryStore):
    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        return super().compare_set(key, None if key not in self._look() else expected, desired)


class _PrefixAndKey(MemoryStore):
    def _values(self) -> dict[str, bytes]:
        everything: dict[str, bytes] = self._backend.hub.stores[self._backend.run, ""]
        return _Under(everything, f"{self._prefix}/")


class _Under(dict[str, bytes]):
    """The part of a map whose keys begin with a prefix, which is cut off; changes go through."""

    def __init__(self, everything: dict[str, bytes], prefix: str) -> None:
        super().__init__({key[len(prefix) :]: value for key, value in everything.items() if key.startswith(prefix)})
        self._everything, self._prefix = everything, prefix

    def update(self, items: Any) -> None:  # type: ignore[override]
        self._everything.update({self._prefix + key: value for key, value in items.items()})


class _OfEveryRun(MemoryStore):
    def _values(self) -> dict[str, bytes]:
        return self._backend.hub.stores["every run", self._prefix]


class _TextCountsAsNothing(MemoryStore):
    def add(self, key: str, amount: int) -> int:
        try:
            return super().add(key, amount)
        except ValueError:
            self.set(key, b"%d" % amount)
            return amount


def store_mutant(
    broken: Callable[[SoundMemory, str], Store],
    name: str,
    sentence: str,
    *breaks: str,
    message: str,
    may_break: tuple[str, ...] = (),
) -> Mutant:
    """Make a mutant that is sound but for its stores, which `broken` makes of the instance and the prefix."""

    class Broken(SoundMemory):
        def store(self, prefix: str) -> Store:
            super().store(prefix)
            return broken(self, prefix)

    return mutant(name, sentence, *breaks, message=message, may_break=may_break)(Broken)


MUTANTS = (
    store_mutant(
        _FirstValueStays,
        "the-first-value-stays",
        "set creates and does not replace.",
        "STORE-1",
        message="get is",
        may_break=("STORE-5", "STORE-3"),
    ),
    store_mutant(
        _DeletesByEmptying,
        "deletes-by-emptying",
        "A deleted key is kept with an empty value.",
        "STORE-1",
        message="delete_key of one that is",
        may_break=("STORE-3",),
    ),
    store_mutant(
        _AnyKeyWillDo,
        "any-key-will-do",
        "check says whether any of the keys is there.",
        "STORE-1",
        message="check of one",
    ),
    store_mutant(
        _NeverWaits,
        "never-waits",
        "get asks once and gives up.",
        "STORE-2",
        message="returned",
        may_break=(),
    ),
    store_mutant(
        _NamesNoKey,
        "names-no-key",
        "A timeout does not say which of a thousand keys is missing.",
        "STORE-2",
        message="does not name the missing key",
    ),
    store_mutant(
        _GivesUpWithAKeyError,
        "a-key-error",
        "A wait in vain ends with the KeyError of the map below.",
        "STORE-2",
        message="raised KeyError",
        may_break=("STORE-1", "STORE-3"),
    ),
    store_mutant(
        _AddsInTwoSteps,
        "adds-in-two-steps",
        "add reads, adds and writes: of two who do so at once one is lost.",
        "STORE-3",
        message="the sums that add gave",
        may_break=("STORE-5",),
    ),
    store_mutant(
        _ComparesInVain,
        "absent-is-not-compared",
        "compare_set with nothing expected writes over what is there.",
        "STORE-3",
        message="compare_set(present, expected=None)",
        may_break=("STORE-1",),
    ),
    store_mutant(
        _CreatesWhateverIsExpected,
        "creates-whatever-is-expected",
        "compare_set creates an absent key whatever was expected there.",
        "STORE-3",
        message="compare_set(absent, expected=b'x')",
    ),
    store_mutant(
        _PrefixAndKey,
        "prefix-and-key",
        "A store's prefix is put before the key with a slash: `p/k` and `k` is `p` and `k/k`.",
        "STORE-4",
        message="of a store",
        may_break=("STORE-1", "STORE-2", "STORE-3", "STORE-5"),
    ),
    store_mutant(
        _OfEveryRun,
        "stores-of-every-run",
        "Stores are kept by prefix, not by run: round 1 of yesterday's job is found again.",
        "STORE-4",
        message="the values of a store",
        may_break=("STORE-1", "STORE-2", "STORE-3", "STORE-5"),
    ),
    store_mutant(
        _TextCountsAsNothing,
        "text-counts-as-nothing",
        "add to what is no number begins at zero and loses what was there.",
        "STORE-5",
        message="it must raise a ValueError",
    ),
)
