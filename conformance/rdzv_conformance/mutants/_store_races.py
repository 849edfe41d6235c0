"""Mutants of RDZV-STORE-3 and 12: changes at the same time, by threads and by processes."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT
from rdzv_conformance.mutants._remote_stores import RemoteMap, SoundRemoteStores, with_stores
from rdzv_conformance.mutants._store_calls import store_mutant
from rdzv_core import accepts_options
from rdzv_core.memory._store import MemoryStore
from rdzv_core.validation import checked_key, checked_keys, checked_value

R = TypeVar("R")

OF_THIS_PROCESS = threading.RLock()


class AddsByItself(MemoryStore):
    """Two who add exclude each other, and nobody else."""

    def add(self, key: str, amount: int) -> int:
        with OF_THIS_PROCESS:
            there = self._look().get(checked_key(key), b"0")
            if not there.lstrip(b"-").isdigit():
                raise ValueError("not an integer")
            time.sleep(0)
            self.set(key, b"%d" % (int(there) + amount))
            return int(there) + amount


class _WritesTheMap(MemoryStore):
    """What sets keys reads all keys and writes them back."""

    def multi_set(self, items: Mapping[str, bytes]) -> None:
        read = dict(self._look())
        read.update({checked_key(key): checked_value(key, value) for key, value in items.items()})
        time.sleep(0)

        def edit(values: dict[str, bytes]) -> None:
            values.clear()
            values.update(read)

        self._edit(edit)


class _LooksAndDeletes(MemoryStore):
    def delete_key(self, key: str) -> bool:
        there = key in self._look()
        time.sleep(0)
        self._edit(lambda values: values.pop(key, None))
        return there


class _ReadsAfterItLooked(MemoryStore):
    """It waits until the keys are there, and reads them then: one may be gone by now."""

    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        wanted = [*keys]
        super().multi_get(wanted, timeout)
        time.sleep(0)
        there = self._look()
        return [self.of(there, key) for key in wanted]

    def of(self, there: Mapping[str, bytes], key: str) -> bytes:
        return there[key]


class _ReadsNothingAfterItLooked(_ReadsAfterItLooked):
    def of(self, there: Mapping[str, bytes], key: str) -> bytes:
        return there.get(key, b"")


class _DeletesAndSets(MemoryStore):
    def multi_set(self, items: Mapping[str, bytes]) -> None:
        for key in {checked_key(key): checked_value(key, value) for key, value in items.items()}:
            self.delete_key(key)
        time.sleep(0)
        super().multi_set(items)


class _LockedHere(RemoteMap):
    """It reads and writes with a lock of its process."""

    def _edit(self, edit: Callable[[dict[str, bytes]], R]) -> R:
        with OF_THIS_PROCESS:
            _, values = self._read()
            answer = edit(values)
            sent = {key: base64.b64encode(value).decode() for key, value in values.items()}
            while True:
                version, _ = self._read()
                if self._backend.ask({"map": self._name, "version": version, "values": sent})["changed"]:
                    return answer


class _AddsLockedHere(RemoteMap):
    """Only what compares or adds is held together by it."""

    def add(self, key: str, amount: int) -> int:
        with OF_THIS_PROCESS:
            there = self._look().get(checked_key(key), b"0")
            if not there.lstrip(b"-").isdigit():
                raise ValueError("not an integer")
            self.set(key, b"%d" % (int(there) + amount))
            return int(there) + amount

    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        with OF_THIS_PROCESS:
            there = self._look().get(checked_key(key))
            if there != expected:
                return there
            self.set(key, desired)
            return desired

    def delete_key(self, key: str) -> bool:
        with OF_THIS_PROCESS:
            return super().delete_key(key)


_KNOWN: dict[tuple[str, str], Mapping[str, bytes]] = {}
"""What this process has seen of a store when it last changed it, by where it is and its name."""


class _Remembers(RemoteMap):
    @property
    def _here(self) -> tuple[str, str]:
        return self._backend.params.endpoint, self._name

    def _edit(self, edit: Callable[[dict[str, bytes]], R]) -> R:
        answer = super()._edit(edit)
        _KNOWN[self._here] = self._look()
        return answer


class _RemembersValues(_Remembers):
    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        wanted, known = checked_keys(keys), _KNOWN.get(self._here, {})
        if self._backend.closed or not all(key in known for key in wanted):
            return super().multi_get(wanted, timeout)
        return [known[key] for key in wanted]


class _RemembersHowMany(_Remembers):
    def num_keys(self) -> int:
        known = None if self._backend.closed else _KNOWN.get(self._here)
        return super().num_keys() if known is None else len(known)


def of_processes(
    name: str, sentence: str, message: str, broken: type[RemoteMap], may_break: tuple[str, ...] = ()
) -> Mutant:
    """Return the mutant of RDZV-STORE-12 whose stores are of a class."""

    class Client(SoundRemoteStores):
        durable = False
        store_type = broken

    factory = accepts_options(READ_TIMEOUT)(lambda params: Client(params))
    others = tuple(f"RDZV-{each}" for each in may_break)
    return Mutant(name, sentence, ("RDZV-STORE-12",), message, factory, others, with_stores())


MUTANTS = (
    store_mutant(
        "adds-by-itself",
        "add reads and writes with a lock that only add takes.",
        "STORE-3",
        message="the sum of what add and compare_set have added at the same time",
        broken=AddsByItself,
        may_break=("STORE-5",),
    ),
    store_mutant(
        "writes-the-map",
        "A store is one record: what sets a key reads it, and writes it back.",
        "STORE-3",
        message="the keys that were set at the same time as others and are lost",
        broken=_WritesTheMap,
        may_break=("STORE-9",),
    ),
    store_mutant(
        "looks-and-deletes",
        "delete_key says whether the key was there when it looked, before it deleted it.",
        "STORE-3",
        message="delete_key of one key, by 3 threads at once",
        broken=_LooksAndDeletes,
    ),
    store_mutant(
        "reads-after-it-looked",
        "multi_get reads the keys when all have been seen; who deletes one meanwhile makes it a KeyError.",
        "STORE-3",
        message="a key that another one sets and deletes raised KeyError",
        broken=_ReadsAfterItLooked,
    ),
    store_mutant(
        "reads-nothing-after-it-looked",
        "A key that is deleted between looking and reading is read as an empty value.",
        "STORE-3",
        message="a key that another one sets and deletes gave",
        broken=_ReadsNothingAfterItLooked,
    ),
    store_mutant(
        "deletes-and-sets",
        "A key is replaced by deleting it and setting it: in between it is not there.",
        "STORE-3",
        message="a key that another one sets anew gave",
        broken=_DeletesAndSets,
        may_break=("STORE-9",),
    ),
    of_processes(
        "stores-locked-in-the-process",
        "A store is read and written with a lock of the process, of which other processes know nothing.",
        "at the same time",
        _LockedHere,
    ),
    of_processes(
        "adds-locked-in-the-process",
        "add and compare_set read and write with a lock of the process.",
        "the sum of what several processes have added at the same time",
        _AddsLockedHere,
        may_break=("STORE-3", "STORE-5"),
    ),
    of_processes(
        "values-of-the-process",
        "A process keeps what it has set: another one's value is not looked for.",
        "of what another process has set",
        _RemembersValues,
    ),
    of_processes(
        "num-keys-of-the-process",
        "A process counts the keys that were there when it last changed one.",
        "num_keys() after another process has set a key",
        _RemembersHowMany,
    ),
)
