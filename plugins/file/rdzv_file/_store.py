"""The raw store: bytes by key at a path, shared by processes, each write atomic and on the disk when it returns."""

# ruff: noqa: PTH116, PTH119, PTH208 - plain system calls, on plain strings

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rdzv_core import RendezvousStateError
from rdzv_file._files import create_directory, read_file, remove_file, replace_file
from rdzv_file._layout import DirectoryLayout, Layout, OneFileLayout, unpack
from rdzv_file._lock import HeldLock, hold, is_marked
from rdzv_file._mapping import lost, mapped, unusable

_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
T = TypeVar("T")

_HEADER_BYTES = 128
_SYSTEM_DIRECTORIES = frozenset(
    ("/", "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr", "/usr/bin", "/usr/lib")
)
_STALE_NAP = 0.01


def _never() -> bool:
    return False


class FileStore:
    """Values by key at `path`: in one file, or, where `path` is a directory, in a file for each key.

    A missing path becomes a file without values, or with a trailing slash a directory; `create=False` creates nothing
    and reads a missing path as empty. A file of 0 bytes has no values, unless it was written before: then it was
    truncated. Keys are at most 128 characters of `[A-Za-z0-9_.-]`. `timeout` bounds every call,
    `lock_timeout` how long a write waits for another one's; both in seconds. Thread-safe; holds nothing open between
    calls, so it needs no closing and works on after a fork.

    Every method raises `RendezvousConnectionError` where the file system refuses or the path is gone, and
    `RendezvousStateError` where the file is no store.
    """

    def __init__(self, path: str, timeout: float = 300, lock_timeout: float = 30, create: bool = True) -> None:
        self.path = path
        self.timeout = timeout
        self.lock_timeout = lock_timeout
        self._create = create
        try:
            # Links are followed here and nowhere else: a write replaces the file, and must not replace a link to it.
            self._real = os.path.realpath(path)
            if create:
                self._make()
            self._layout()
        except ValueError as error:
            raise unusable(path, f"no path can be spelled like that ({error}); name one without NUL") from error

    def get(self, key: str) -> bytes | None:
        """Give the value of `key`, or None. Takes no lock and never waits for a value."""
        layout = self._layout()
        return None if layout is None else self._extract(layout, self._content(layout, key), key)

    def set(self, key: str, value: bytes) -> None:
        """Set `key` to `value`, whatever is there."""
        with self.locked(key) as slot:
            slot.write(value)

    def delete(self, key: str) -> bool:
        """Delete `key`; True if it was there."""
        with self.locked(key) as slot:
            there = slot.read() is not None
            if there:
                slot.write(None)
            return there

    def keys(self) -> list[str]:
        """Return the keys that have a value, of a directory also the names of files that are not ours."""
        layout = self._layout()
        if isinstance(layout, DirectoryLayout):
            with mapped(self.path, "list this directory"):
                return [name for name in os.listdir(self._real) if _is_key(name)]
        content = None if layout is None else self._read(self._real)
        return list(self._extracted(lambda: unpack(content or b"")))

    def version(self, key: str) -> bytes | None:
        """Give bytes that differ after every write of `key` (and perhaps of others), at the cost of one short read.

        They are the first line of the file, which holds a nonce: times and inode numbers can come back, it cannot.
        """
        layout = self._layout()
        return None if layout is None else self._read(layout.file_of(_checked(key)), _HEADER_BYTES)

    @contextmanager
    def locked(self, key: str, cancelled: Callable[[], bool] = _never) -> Iterator[Slot]:
        """Keep everybody else from writing `key` for the length of the block."""
        layout = self._layout()
        if layout is None:
            raise lost(self.path, "there is nothing, and who only looks does not create it: start the job first")
        file = layout.file_of(_checked(key))
        with self._held(file, layout.lock_of(key), cancelled) as (held, temporary):
            yield Slot(self, layout, key, Replacing(file, temporary, held))

    @contextmanager
    def _held(self, file: str, lock: str, cancelled: Callable[[], bool] = _never) -> Iterator[tuple[HeldLock, str]]:
        temporary = f"{file}.{secrets.token_hex(16)}.tmp"
        with mapped(self.path, f"write {file!r}"):
            name = os.path.basename(temporary)
            with hold(self.path, lock, name, min(self.lock_timeout, self.timeout), cancelled) as held:
                yield held, temporary

    def _make(self) -> None:
        with mapped(self.path, "use this path"):
            if os.path.lexists(self._real):
                return
            if self.path.endswith(os.sep):
                create_directory(self._real)
                return
            # Not with 0 bytes: so it can be told from one that was truncated, also where an old lock file is left.
            layout = OneFileLayout(self._real)
            with self._held(self._real, layout.lock_of("")) as (held, temporary):
                if not os.path.lexists(self._real):
                    Replacing(self._real, temporary, held).put(layout.without_values())
                    held.mark()

    def _layout(self) -> Layout | None:
        """Look what the path is, at every call: what has vanished must not be taken for an empty store."""
        with mapped(self.path, "use this path"):
            try:
                mode = os.stat(self._real).st_mode
            except FileNotFoundError as error:
                if not self._create:
                    return None
                what = "the store is gone: was it deleted, or its file system unmounted? Start anew once it is back"
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

    def _content(self, layout: Layout, key: str) -> bytes | None:
        """Read the file of `key`. Raise `RendezvousStateError` if it is empty and must not be."""
        content = self._read(layout.file_of(_checked(key)))
        if content == b"" and layout.begins_empty and is_marked(layout.lock_of(key)):
            content = self._read(layout.file_of(key))  # it may have been written in between
            if content == b"":
                raise self._truncated(layout.lock_of(key))
        return content

    def _truncated(self, lock: str) -> RendezvousStateError:
        return RendezvousStateError(
            f"file backend at {self.path!r}: the file has 0 bytes and was written before, as {lock!r} says: it was "
            "truncated. Bring it back from a copy; or, if nobody works any more, `rdzv reset` starts anew, or delete it"
        )

    def _read(self, file: str, size: int = -1) -> bytes | None:
        with mapped(self.path, f"read {file!r}"):
            deadline = time.monotonic() + self.timeout
            while True:
                try:
                    return read_file(file, size)
                except OSError as error:
                    # A network file system's way to say that the file was replaced between two steps of ours.
                    if error.errno != errno.ESTALE or time.monotonic() >= deadline:
                        raise
                    time.sleep(_STALE_NAP)

    def _extract(self, layout: Layout, content: bytes | None, key: str) -> bytes | None:
        return self._extracted(lambda: layout.extract(content, key))

    def _extracted(self, extract: Callable[[], T]) -> T:
        try:
            return extract()
        except RendezvousStateError as error:
            raise RendezvousStateError(
                f"file backend at {self.path!r}: the file is no rdzv store, or was damaged: {error}; "
                "name another path, or move that file away"
            ) from error

    def __repr__(self) -> str:
        return f"<FileStore {self.path!r}>"


class Replacing:
    """The one write that a holder of a lock may do: of `file`, by way of `temporary`."""

    def __init__(self, file: str, temporary: str, held: HeldLock) -> None:
        self.file, self._temporary, self.held = file, temporary, held

    def put(self, content: bytes | None) -> None:
        """Replace the file, or remove it for None, and see before and after that nobody else held the lock.

        Whoever else does wrote its record before it read the file: so of two that write over each other one is told at
        least. It is not a lock: one that stalls between its look and its rename undoes what others wrote meanwhile.
        """
        if content is None:
            self.held.check()
            remove_file(self.file)
        else:
            try:
                replace_file(self.file, self._temporary, content, self.held.check)
            except FileNotFoundError:
                self.held.check()  # the temporary file was swept away: by one who took this holder for dead?
                raise
        self.held.check()


class Slot:
    """One key under its lock; for one write."""

    def __init__(self, store: FileStore, layout: Layout, key: str, replacing: Replacing) -> None:
        self._store, self._layout, self._key, self._replacing = store, layout, key, replacing
        self._content = store._read(replacing.file)
        self._is_truncated = self._content == b"" and layout.begins_empty and replacing.held.is_marked

    def read(self) -> bytes | None:
        """Give the value, or None."""
        if self._is_truncated:
            raise self._store._truncated(self._layout.lock_of(self._key))
        return self._store._extract(self._layout, self._content, self._key)

    def write(self, value: bytes | None) -> None:
        """Set the value, or delete it for None.

        If this raises `OSError`, nothing has changed, with one exception: the directory is synced last, and if that
        fails the write is done but may not outlive a power cut.
        """
        self.read()
        self._put(self._layout.insert(self._content, self._key, value))

    def clear(self) -> bool:
        """Delete the value, and if the file cannot be read but was ours, all that is in it. False: nothing there."""
        try:
            if self.read() is None:
                return False
        except RendezvousStateError:
            if not (self._is_truncated or self._layout.is_ours(self._content or b"")):
                raise
            self._content, self._is_truncated = None, False
        self._put(self._layout.insert(self._content, self._key, None))
        return True

    def _put(self, content: bytes | None) -> None:
        self._replacing.put(content)
        if self._layout.begins_empty:
            self._replacing.held.mark()


def _is_key(name: str) -> bool:
    return _KEY.fullmatch(name) is not None and not name.endswith((".lock", ".tmp"))


def _checked(key: str) -> str:
    if not _is_key(key):
        raise ValueError(f"{key!r} is no key of a file store: at most 128 of [A-Za-z0-9_.-], no dot or dash first")
    return key
