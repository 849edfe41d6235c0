"""The store of a round: a log for all of its keys."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from rdzv_core import RendezvousStateError, RendezvousTimeoutError, Store, SupportsSubmit
from rdzv_core.abc import OnDone
from rdzv_core.submitting import guarded
from rdzv_core.validation import checked_key, checked_keys, checked_value
from rdzv_file._errors import lost, mapped
from rdzv_file._files import create_directory, remove_file
from rdzv_file._log.format import DamagedError, Record
from rdzv_file._log.reader import LogReader
from rdzv_file._log.writer import OpenLog, locked_in_turn
from rdzv_file._run_files import RunFiles
from rdzv_file._store import FileStore
from rdzv_file._submitter import Submitter
from rdzv_file._turns import Patience
from rdzv_file._values import Values, begun, deleted, set_to
from rdzv_file._waiting import Wait, immediate

R = TypeVar("R")

DEFAULT_TIMEOUT = 300.0
KEPT_STORES = 4
"""How many stores of a run are kept; another one removes the one that was written longest ago."""
MAX_VALUE_BYTES = 16 * 1024 * 1024
_LONG = 1024 * 1024
"""Bytes of a log that is not worth shortening yet."""


class RoundStore(Store, SupportsSubmit):
    """A map in a log of its own: each write is a record behind all others, under the lock of the run's stores.

    `multi_set` is one step. A value has at most 16 MiB (`ValueError`). A run keeps the four stores that were written
    last; one that was dropped, or is damaged, raises `RendezvousStateError`. Ends with its backend.
    """

    def __init__(
        self, store: FileStore, key: str, name: str, submitter: Submitter, is_closed: Callable[[], bool]
    ) -> None:
        self._store = store
        self._submitter = submitter
        self._key = key
        self._name = name
        self._is_closed = is_closed
        self._kept: tuple[int, RunFiles, LogReader[Values]] | None = None
        self._seen = False

    def set(self, key: str, value: bytes) -> None:
        self.multi_set({key: value})

    def get(self, key: str, timeout: float | None = None) -> bytes:
        return self._getting(key, timeout).block()

    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        wanted = self._checked(key, desired)

        def change(there: bytes | None) -> Record | None:
            return set_to({key: wanted}) if there == expected else None

        there = self._look([key]).get(key)
        return there if there != expected else self._edit(key, change)

    def add(self, key: str, amount: int) -> int:
        checked_key(key)
        step = int(amount)
        total = self._edit(key, lambda there: set_to({key: b"%d" % (_integer(key, there) + step)}))
        assert total is not None
        return int(total)

    def check(self, keys: Iterable[str]) -> bool:
        return self._checking(keys).block()

    def wait(self, keys: Iterable[str], timeout: float | None = None) -> None:
        self._hoping(keys, timeout).block()

    def delete_key(self, key: str) -> bool:
        checked_key(key)
        if not self._look([key]):
            return False
        was_there = False

        def change(there: bytes | None) -> Record | None:
            nonlocal was_there
            was_there = there is not None
            return deleted(key) if was_there else None

        self._edit(key, change)
        return was_there

    def num_keys(self) -> int:
        with self._reading() as values:
            return 0 if values is None else len(values.data)

    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        return self._collecting(keys, timeout).block()

    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        self._submitter.look(lambda _: _SUBMITTABLE[method](self, *arguments), guarded(done, "file"))

    def _getting(self, key: str, timeout: float | None = None) -> Wait[bytes]:
        return self._awaiting([checked_key(key)], timeout, lambda values: values[0])

    def _collecting(self, keys: Iterable[str], timeout: float | None = None) -> Wait[list[bytes]]:
        return self._awaiting(checked_keys(keys), timeout, lambda values: values)

    def _hoping(self, keys: Iterable[str], timeout: float | None = None) -> Wait[None]:
        return self._awaiting(checked_keys(keys), timeout, lambda _: None)

    def _checking(self, keys: Iterable[str]) -> Wait[bool]:
        wanted = checked_keys(keys)
        return immediate(lambda: len(self._look(wanted)) == len(set(wanted)))

    def _awaiting(self, wanted: list[str], timeout: float | None, read: Callable[[list[bytes]], R]) -> Wait[R]:
        limit = DEFAULT_TIMEOUT if timeout is None else timeout
        found: dict[str, bytes] = {}

        def look() -> tuple[R] | None:
            nonlocal found
            found = self._look(wanted)
            return (read([found[key] for key in wanted]),) if len(found) == len(set(wanted)) else None

        def late() -> R:
            missing = ", ".join(repr(key) for key in wanted if key not in found)
            raise RendezvousTimeoutError(f"waited {limit:g} s for {len(wanted)} keys of {self!r}: {missing} not set")

        return Wait(look, late, limit, self._path)

    def multi_set(self, items: Mapping[str, bytes]) -> None:
        given = {key: self._checked(key, value) for key, value in items.items()}
        if given:
            with self._writing() as log:
                self._write(log, set_to(given))

    def close(self) -> None:
        """Let go of what is kept open."""
        self._kept = None

    def _edit(self, key: str, change: Callable[[bytes | None], Record | None]) -> bytes | None:
        """Write the record that `change` makes of the value, None: nothing; return what is there then."""
        with self._writing() as log:
            record = change(None if log.state is None else log.state.data.get(key))
            if record is not None:
                self._write(log, record)
            return None if log.state is None else log.state.data.get(key)

    def _write(self, log: OpenLog[Values], record: Record) -> None:
        if log.state is None:
            create_directory(self._files.stores)
            log.replace([begun(self._name), record])
            self._seen = True
            self._remove_outdated()
            return
        if log.size > max(_LONG, 4 * log.state.size):
            log.replace(log.state.shortened(self._name))
        log.append(record)

    def _remove_outdated(self) -> None:
        with os.scandir(self._files.stores) as entries:
            by_age = sorted((entry.stat(follow_symlinks=False).st_mtime_ns, entry.path) for entry in entries)
        outdated = [path for _, path in by_age if path != self._reader.path]
        for path in outdated[: -KEPT_STORES + 1]:
            remove_file(path)

    def _look(self, keys: list[str]) -> dict[str, bytes]:
        """Return the values of those keys that are there."""
        with self._reading() as values:
            return {} if values is None else {key: values.data[key] for key in keys if key in values.data}

    @contextmanager
    def _reading(self) -> Iterator[Values | None]:
        with self._access() as reader:
            if reader is None:
                yield None
                return
            with reader.lock:
                values = reader.look()
                if values is None:
                    self._store.check_there()
                    self._check_kept()
                self._seen = self._seen or values is not None
                yield values

    @contextmanager
    def _writing(self) -> Iterator[OpenLog[Values]]:
        with self._access() as reader:
            if reader is None:
                raise lost(self._store.path, "there is nothing here, and an observer creates nothing")
            self._store.check_there()
            patience = Patience(self._store.path, self._store.longest_wait, self._is_closed)
            lock = self._files.stores_lock
            with (
                locked_in_turn(lock, patience) as (held, temporary),
                OpenLog(reader, held, temporary, sync=self._store.sync) as log,
            ):
                if log.damaged is not None:
                    raise log.damaged
                if log.state is None:
                    self._check_kept()
                yield log

    @contextmanager
    def _access(self) -> Iterator[LogReader[Values] | None]:
        if self._is_closed():
            raise lost(self._store.path, "this backend was closed; create a new one")
        try:
            with mapped(self._store.path, f"use the store {self._name!r}"):
                yield self._opened()
        except DamagedError as error:
            raise RendezvousStateError(
                f"file backend at {self._store.path!r}: the store {self._name!r} in {self._reader.path!r} is damaged: "
                f"{error}; join the next round for a new one, or clear the run with `rdzv reset`"
            ) from error

    def _check_kept(self) -> None:
        if self._seen:
            raise RendezvousStateError(
                f"file backend at {self._store.path!r}: the store {self._name!r} was dropped, since this run has newer "
                "ones; join the next round for its own"
            )

    def _opened(self) -> LogReader[Values] | None:
        if self._kept is None or self._kept[0] != os.getpid():
            runs = self._store.runs()
            if runs is None:
                return None
            files = RunFiles(runs, self._key)
            self._kept = os.getpid(), files, LogReader(files.store(self._name), Values)
        return self._kept[2]

    def _path(self) -> str | None:
        return None if self._kept is None else self._kept[2].path

    @property
    def _files(self) -> RunFiles:
        assert self._kept is not None
        return self._kept[1]

    @property
    def _reader(self) -> LogReader[Values]:
        assert self._kept is not None
        return self._kept[2]

    def _checked(self, key: str, value: bytes) -> bytes:
        value = checked_value(checked_key(key), value)
        if len(value) > MAX_VALUE_BYTES:
            raise ValueError(f"a value of {len(value)} bytes for key {key!r}: at most {MAX_VALUE_BYTES} can be stored")
        return value

    def __repr__(self) -> str:
        return f"<RoundStore {self._name!r} in {self._store.path!r}>"


_SUBMITTABLE: dict[str, Callable[..., Wait[Any]]] = {
    "get": RoundStore._getting,
    "multi_get": RoundStore._collecting,
    "wait": RoundStore._hoping,
    "check": RoundStore._checking,
}
RoundStore.submittable = frozenset(_SUBMITTABLE)


def _integer(key: str, value: bytes | None) -> int:
    try:
        return 0 if value is None else int(value)
    except ValueError:
        raise ValueError(f"key {key!r} holds {value!r:.60}, which is not an integer to add to") from None
