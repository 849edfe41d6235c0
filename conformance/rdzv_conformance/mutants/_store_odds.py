"""Mutants of RDZV-STORE-1, 3 and 5: digits, empty values, and keys that were deleted."""

from __future__ import annotations

from rdzv_conformance.mutants._memory import SoundMemory
from rdzv_conformance.mutants._stores import store_mutant
from rdzv_core.memory._store import MemoryStore
from rdzv_core.validation import checked_key


class _TakesCanonicalNumbers(MemoryStore):
    def add(self, key: str, amount: int) -> int:
        there = self._look().get(checked_key(key))
        if there is not None and there.lstrip(b"+-").isdigit() and b"%d" % int(there) != there:
            raise ValueError(f"{there!r} is not an integer or out of range")
        return super().add(key, amount)


class _TakesOctalNumbers(MemoryStore):
    def add(self, key: str, amount: int) -> int:
        checked_key(key)

        def in_decimal(values: dict[str, bytes]) -> None:
            there = values.get(key, b"")
            if there.startswith(b"0") and there.isdigit():
                values[key] = b"%d" % int(there, 8 if b"8" not in there and b"9" not in there else 10)

        self._edit(in_decimal)
        return super().add(key, amount)


class _EmptyIsNone(MemoryStore):
    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        gave = super().compare_set(key, expected, desired)
        if expected and gave == desired == b"":
            self._edit(lambda values: values.pop(key, None))
        return gave


class _KeepsWhatItDeletes(MemoryStore):
    """A deleted key is one that is marked so, with its value."""

    def __init__(self, backend: SoundMemory, prefix: str) -> None:
        super().__init__(backend, prefix)
        self.marked: dict[tuple[str, str, str], bytes] = vars(backend.hub).setdefault("marked", {})

    def delete_key(self, key: str) -> bool:
        value = self._look().get(key)
        if value is not None:
            self.marked[self._backend.run, self._prefix, key] = value
        return super().delete_key(key)

    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        marked = self.marked.get((self._backend.run, self._prefix, key))
        if marked and marked == expected and key not in self._look():
            self.set(key, desired)
            return desired
        return super().compare_set(key, expected, desired)


MUTANTS = (
    store_mutant(
        _TakesCanonicalNumbers,
        "takes-canonical-numbers",
        "add is the store's INCRBY, which takes no `+5` and no `007`.",
        "STORE-5",
        message="raised ValueError",
    ),
    store_mutant(
        _TakesOctalNumbers,
        "takes-octal-numbers",
        "add takes a number that begins with 0 for an octal one.",
        "STORE-5",
        message="the sum of b'010' and 1",
    ),
    store_mutant(
        _EmptyIsNone,
        "compares-and-deletes",
        "compare_set to an empty value deletes the key.",
        "STORE-1",
        message="check of keys that were set to an empty value",
        may_break=("STORE-3",),
    ),
    store_mutant(
        _KeepsWhatItDeletes,
        "compares-with-what-was-deleted",
        "A deleted key is marked, and compare_set compares with the value that it had.",
        "STORE-3",
        message="compare_set of a key that was deleted",
    ),
)
