"""The raw store: bytes by key at a path, shared by processes, each write atomic and on the disk when it returns."""

# ruff: noqa: PTH116, PTH119, PTH208 - plain system calls, on plain strings

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias

from rdzv_file._errors import lost, mapped, unusable
from rdzv_file._files import create_directory
from rdzv_file._kept import Kept
from rdzv_file._layout import DirectoryLayout, Layout, OneFileLayout
from rdzv_file._lock import hold
from rdzv_file._lock_record import HeldLock
from rdzv_file._reader import Reader
from rdzv_file._slot import Replacement, Slot
from rdzv_file._turns import Patience, turns_of

_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")

_SYSTEM_DIRECTORIES = frozenset(
    ("/", "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr", "/usr/bin", "/usr/lib")
)

Lock: TypeAlias = Callable[["Kept | None"], AbstractContextManager[Slot]]
"""Locks a key within a block, given what was read of its file before."""


def _never() -> bool:
    return False


class FileStore:
    """Values by key at `path`: in one file, or, where `path` is a directory, in a file for each key.

    A missing path becomes a file without values, or with a trailing slash a directory; `create=False` creates nothing
    and reads a missing path as empty. A file of 0 bytes has no values, unless it was written before: then it was
    truncated. Keys are at most 128 characters of `[A-Za-z0-9_.-]`. `timeout` bounds every call, `lock_timeout` how long
    a write waits for another's lock; both in seconds. With `sync` a write is on the disk when it returns. Thread-safe;
    holds nothing open itself, so it needs no closing, and goes on working after a fork.

    Every method raises `RendezvousConnectionError` where the file system refuses or the path is gone, and
    `RendezvousStateError` where the file is not a store.
    """

    def __init__(
        self, path: str, timeout: float = 300, lock_timeout: float = 30, create: bool = True, sync: bool = True
    ) -> None:
        self.path = path
        self.timeout = timeout
        self.lock_timeout = lock_timeout
        self.sync = sync
        self._create = create
        self._reader = Reader(path, timeout)
        try:
            # Links are followed here and nowhere else: a write replaces the file, and must not replace a link to it.
            self._real = os.path.realpath(path)
            if create:
                self._make()
            self._layout()
        except ValueError as error:
            raise unusable(path, f"this is not a path ({error}); name one without NUL") from error

    def get(self, key: str) -> bytes | None:
        """Return the value of `key`, or None. Takes no lock and never waits for a value."""
        kept = self.look(key)
        return None if kept is None else kept.value(key)

    def look(self, key: str, kept: Kept | None = None) -> Kept | None:
        """Return the file that holds `key`, with its values; None where there is none. Takes no lock.

        What was `kept` from the last look is returned again if it is that file still: on a local file system that takes
        one look at its status. It keeps a file open for as long as it is referred to.
        """
        if kept is not None and kept.is_current():
            return kept
        layout = self._layout()
        return None if layout is None else self._reader.look(layout, _checked(key))

    def set(self, key: str, value: bytes) -> None:
        """Set `key` to `value`, whatever is there."""
        with self.locked(key) as slot:
            slot.write((value,))

    def delete(self, key: str) -> bool:
        """Delete `key`; True if it was there."""
        with self.locked(key) as slot:
            there = slot.read() is not None
            if there:
                slot.write(None)
            return there

    def keys(self) -> list[str]:
        """Return the keys that have a value, in a directory also the names of other files."""
        layout = self._layout()
        if isinstance(layout, DirectoryLayout):
            with mapped(self.path, "list this directory"):
                return [name for name in os.listdir(self._real) if _is_key(name)]
        kept = None if layout is None else self._reader.look(layout, "")
        return [] if kept is None else list(kept.values)

    def file_of(self, key: str) -> str | None:
        """Return the path of the file that holds `key`; None where there is no store."""
        layout = self._layout()
        return None if layout is None else layout.file_of(_checked(key))

    def way_out(self, key: str) -> str:
        """Return what the error for a damaged value of `key` says about restoring it; "" where nothing is kept."""
        layout = self._layout()
        return "" if layout is None else self._reader.way_out(layout, key)

    @property
    def longest_wait(self) -> float:
        """Seconds for which a write waits for others at most."""
        return min(self.lock_timeout, self.timeout)

    def runs(self) -> str | None:
        """Return the directory for what runs keep besides their registers; None where there is no store."""
        layout = self._layout()
        return None if layout is None else layout.runs

    def check_there(self) -> None:
        """Raise `RendezvousConnectionError` if the path is gone."""
        self._layout()

    def lock_of(self, key: str) -> str | None:
        """Return the path of the lock file for writes of `key`; None where there is no store."""
        layout = self._layout()
        return None if layout is None else layout.lock_of(_checked(key))

    @contextmanager
    def locked(self, key: str, cancelled: Callable[[], bool] = _never, kept: Kept | None = None) -> Iterator[Slot]:
        """Keep everybody else from writing `key` within the block; what was `kept` is read again only if it changed."""
        with self.turn(key, cancelled) as lock, lock(kept) as slot:
            yield slot

    @contextmanager
    def turn(self, key: str, cancelled: Callable[[], bool] = _never) -> Iterator[Lock]:
        """Be the one thread of this process that may lock `key`, by calling what this yields; cheaper than the lock."""
        layout = self._layout()
        if layout is None:
            raise lost(self.path, "there is nothing here, and an observer creates nothing: start the job first")
        file, lock = layout.file_of(_checked(key)), layout.lock_of(key)

        @contextmanager
        def hold(kept: Kept | None) -> Iterator[Slot]:
            with self._held(file, lock, left, cancelled) as (held, temporary):
                aside = layout.aside_of(key)
                yield Slot(self._reader, layout, key, Replacement(file, aside, temporary, held, sync=self.sync), kept)

        with turns_of(lock).turn(lock, Patience(self.path, self.longest_wait, cancelled)) as left:
            yield hold

    @contextmanager
    def _held(
        self, file: str, lock: str, seconds: float, cancelled: Callable[[], bool] = _never
    ) -> Iterator[tuple[HeldLock, str]]:
        temporary = f"{file}.{secrets.token_hex(16)}.tmp"
        with mapped(self.path, f"write {file!r}"):
            name = os.path.basename(temporary)
            with hold(self.path, lock, name, seconds, cancelled) as held:
                yield held, temporary

    def _make(self) -> None:
        with mapped(self.path, "use this path"):
            if os.path.lexists(self._real):
                return
            if self.path.endswith(os.sep):
                create_directory(self._real)
                return
            # Not with 0 bytes: so it can be told from a truncated one, also where an old lock file is left.
            layout = OneFileLayout(self._real)
            with self._held(self._real, layout.lock_of(""), self.longest_wait) as (held, temporary):
                if not os.path.lexists(self._real):
                    new = Replacement(self._real, layout.aside_of(""), temporary, held, sync=self.sync)
                    new.put(layout.without_values(), keep=False)
                    held.mark()

    def _layout(self) -> Layout | None:
        """Return what the path is, at every call: a store that vanished must not be taken for an empty one."""
        with mapped(self.path, "use this path"):
            try:
                mode = os.stat(self._real).st_mode
            except FileNotFoundError as error:
                if not self._create:
                    return None
                what = "the store is gone: was it deleted, or its file system unmounted? Start again once it is back"
                raise lost(self.path, what) from error
        if stat.S_ISDIR(mode):
            if self._real in _SYSTEM_DIRECTORIES:
                raise unusable(self.path, "it belongs to the operating system: name a directory of your own")
            return DirectoryLayout(self._real)
        if stat.S_ISREG(mode):
            return OneFileLayout(self._real)
        raise unusable(self.path, "it is neither a file nor a directory; name another path") from OSError(
            errno.EINVAL, "not a regular file", self.path
        )

    def __repr__(self) -> str:
        return f"<FileStore {self.path!r}>"


def _is_key(name: str) -> bool:
    return _KEY.fullmatch(name) is not None and not name.endswith((".last", ".lock", ".tmp"))


def _checked(key: str) -> str:
    if not _is_key(key):
        raise ValueError(f"{key!r} is not a key of a file store: at most 128 of [A-Za-z0-9_.-], no dot or dash first")
    return key
