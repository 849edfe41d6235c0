"""Mutants of RDZV-STORE-1, 3, 5, 8 and 14: what is nearly a key, a value or a number."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from typing import Any

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_core import Store
from rdzv_core.memory._store import MemoryStore
from rdzv_core.validation import checked_key, checked_keys, checked_value

FIVE_MINUTES = 300.0


def store_mutant(
    name: str,
    sentence: str,
    *breaks: str,
    message: str | tuple[str, ...],
    broken: type[MemoryStore],
    may_break: tuple[str, ...] = (),
) -> Mutant:
    """Return the mutant whose stores are of a class."""

    class WithStores(SoundMemory):
        def store(self, prefix: str) -> Store:
            with self.opened():
                return broken(self, prefix)

    return mutant(name, sentence, *breaks, message=message, may_break=may_break)(WithStores)


class _ComparesNearly(MemoryStore):
    def nearly(self, value: bytes) -> bytes:
        raise NotImplementedError

    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        there = self._look().get(checked_key(key))
        if there is not None and expected is not None and self.nearly(there) == self.nearly(expected):
            expected = there
        return super().compare_set(key, expected, desired)


class _ComparesABeginning(_ComparesNearly):
    def nearly(self, value: bytes) -> bytes:
        return value[:1000]


class _ComparesText(_ComparesNearly):
    def nearly(self, value: bytes) -> bytes:
        return value.rstrip(b"\0")


class _ComparesNumbers(_ComparesNearly):
    def nearly(self, value: bytes) -> bytes:
        return b"%d" % int(value) if value.isdigit() else value


class _AddsOtherwise(MemoryStore):
    def number(self, value: bytes) -> int:
        raise NotImplementedError

    def add(self, key: str, amount: int) -> int:
        def edit(values: dict[str, bytes]) -> int:
            total = self.number(values.get(checked_key(key), b"0")) + amount
            values[key] = b"%d" % total
            return total

        return self._edit(edit)


class _AddsLikeAtoi(_AddsOtherwise):
    def number(self, value: bytes) -> int:
        found = re.match(rb"[-+]?[0-9]+", value)
        if not found:
            raise ValueError("not an integer")
        return int(found.group())


class _AddsToDecimals(_AddsOtherwise):
    def number(self, value: bytes) -> int:
        try:
            return int(value)
        except ValueError:
            return int(float(value))


class _DeletesByPattern(MemoryStore):
    def delete_key(self, key: str) -> bool:
        def edit(values: dict[str, bytes]) -> bool:
            found = [each for each in values if each == key] or [
                each for each in values if fnmatch.fnmatchcase(each, key)
            ]
            for each in found:
                del values[each]
            return bool(found)

        return self._edit(edit)


class _WaitsForAPrefix(MemoryStore):
    def wait(self, keys: Iterable[str], timeout: float | None = None) -> None:
        wanted = checked_keys(keys)

        def ready(there: Mapping[str, bytes]) -> bool:
            return all(any(each.startswith(key) for each in there) for key in wanted)

        if not ready(self._await(ready, FIVE_MINUTES if timeout is None else timeout)):
            super().wait(wanted, 0)


class _OneByOne(MemoryStore):
    def multi_set(self, items: Mapping[str, bytes]) -> None:
        for key, value in items.items():
            super().multi_set({key: value})


class _ReplacesSurrogates(MemoryStore):
    def multi_set(self, items: Mapping[str, bytes]) -> None:
        super().multi_set({key.encode("utf-8", "replace").decode(): value for key, value in items.items()})


class _LooksTwice(MemoryStore):
    def check(self, keys: Iterable[str]) -> bool:
        for key in keys:
            checked_key(key)
        return super().check(keys)


class _CutsWhatItCompares(MemoryStore):
    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        found = super().compare_set(key, expected, desired[:65_535])
        return desired if found == desired[:65_535] else found


class _SendsAMebibyte(MemoryStore):
    def multi_set(self, items: Mapping[str, bytes]) -> None:
        sent: dict[str, bytes] = {}
        for key, value in items.items():
            if sum(map(len, sent.values())) + len(value) <= 1 << 20:
                sent[key] = value
        super().multi_set(sent)


class _GivesBuffers(MemoryStore):
    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        found: list[Any] = [bytearray(value) for value in super().multi_get(keys, timeout)]
        return found


class _CutsLongOnes(MemoryStore):
    def multi_set(self, items: Mapping[str, bytes]) -> None:
        super().multi_set({key: checked_value(key, value)[: 512 * 1024] for key, value in items.items()})


class _ForgetsLongOnes(MemoryStore):
    """It tells nobody that a value was too long for the store's message."""

    def multi_set(self, items: Mapping[str, bytes]) -> None:
        super().multi_set({key: value for key, value in items.items() if len(value) <= 512 * 1024})


MUTANTS = (
    store_mutant(
        "compares-a-beginning",
        "compare_set compares as much of a value as an index holds.",
        "STORE-3",
        message="gave b'new' where",
        broken=_ComparesABeginning,
    ),
    store_mutant(
        "compares-text",
        "compare_set compares up to the last byte that is not NUL.",
        "STORE-3",
        message="gave b'new' where",
        broken=_ComparesText,
    ),
    store_mutant(
        "compares-numbers",
        "compare_set compares numbers by what they are worth.",
        "STORE-3",
        message="gave b'new' where",
        broken=_ComparesNumbers,
    ),
    store_mutant(
        "adds-like-atoi",
        "add takes the digits with which a value begins.",
        "STORE-5",
        message="add to b'1.5' gave 2",
        broken=_AddsLikeAtoi,
    ),
    store_mutant(
        "adds-to-decimals",
        "add takes a decimal, and forgets what is behind the point.",
        "STORE-5",
        message="add to b'1.5' gave 2",
        broken=_AddsToDecimals,
    ),
    store_mutant(
        "deletes-by-pattern",
        "A key is deleted by a command that takes a pattern.",
        "STORE-1",
        message="delete_key('*') where there is no such key",
        broken=_DeletesByPattern,
    ),
    store_mutant(
        "waits-for-a-prefix",
        "wait watches a prefix: a longer key ends it.",
        "STORE-1",
        message="where there is no such key",
        broken=_WaitsForAPrefix,
        may_break=("STORE-2",),
    ),
    store_mutant(
        "sets-one-by-one",
        "multi_set checks and sets one key after the other, and stops in the middle.",
        "STORE-6",
        message="num_keys() after keys were refused is 1",
        broken=_OneByOne,
        may_break=("STORE-3",),
    ),
    store_mutant(
        "replaces-surrogates",
        "What cannot be encoded in a key becomes a question mark.",
        "STORE-6",
        message="set of a key with a lone surrogate gave None",
        broken=_ReplacesSurrogates,
    ),
    store_mutant(
        "looks-twice",
        "check goes through the keys twice, and there are none left the second time.",
        "STORE-1",
        message="check of a generator with a key that is not there",
        broken=_LooksTwice,
    ),
    store_mutant(
        "compares-64-kib",
        "compare_set cuts what it sets to 65,535 bytes.",
        "STORE-8",
        message="set by compare_set, came back with 65535",
        broken=_CutsWhatItCompares,
    ),
    store_mutant(
        "sets-a-mebibyte",
        "multi_set leaves out what does not fit into one message.",
        "STORE-8",
        message="not set",
        broken=_SendsAMebibyte,
        may_break=("STORE-2",),
    ),
    store_mutant(
        "gives-buffers",
        "A value is the buffer into which the answer was read.",
        "STORE-8",
        message="get gave a value as bytearray: it must be bytes",
        broken=_GivesBuffers,
    ),
    store_mutant(
        "long-values-are-cut",
        "A value of more than 512 KiB is cut.",
        "STORE-14",
        message="was neither kept nor refused",
        broken=_CutsLongOnes,
    ),
    store_mutant(
        "long-values-are-forgotten",
        "A value of more than 512 KiB is not set, and nobody is told.",
        "STORE-14",
        message="was neither kept nor refused",
        broken=_ForgetsLongOnes,
    ),
)
