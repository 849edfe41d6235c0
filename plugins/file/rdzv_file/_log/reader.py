"""Reading a log as it grows."""

# ruff: noqa: PTH116 - plain system calls, on plain strings

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from rdzv_file._log.format import DamagedError, Record, decode
from rdzv_file._mounts import is_local
from rdzv_file._pin import Identity, Pin

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_HEAD_BYTES = 128


class State(Protocol):
    """What the records of a log amount to."""

    def apply(self, record: Record) -> None:
        """Take in the next record."""


S = TypeVar("S", bound=State)


class LogReader(Generic[S]):
    """What a log says, brought up to date at each look. Thread-safe; the state is not: use it under `lock`.

    The file only grows: a state is never changed by what was read already. Where it was replaced, by a shorter log that
    says the same or by another one, a new state is made. On a local file system one look at the file's status tells
    that nothing was added; on any other the file is opened each time, which makes its client ask the server.
    """

    def __init__(self, path: str, make: Callable[[], S]) -> None:
        self.path = path
        self.lock = threading.RLock()
        self.end = 0
        self._make = make
        self._state: S | None = None
        self._pin: Pin | None = None
        self._head = b""

    def look(self) -> S | None:
        """Return the state as it is now; None where there is no log. Raises `OSError`, and `DamagedError`."""
        with self.lock:
            return self._look()

    def _look(self) -> S | None:
        pin = self._pin
        try:
            status = os.stat(self.path, follow_symlinks=False)
            if pin is None or Identity.of(status) != pin.identity or not is_local(self.path, status.st_dev):
                return self._open()
        except FileNotFoundError:
            self.forget()
            return None
        if status.st_size == self.end:
            return self._state
        return self._open() if status.st_size < self.end else self._read(pin)

    def _open(self) -> S | None:
        pin = Pin(os.open(self.path, _READ))
        head = os.pread(pin.fd, _HEAD_BYTES, 0)
        same = self._pin is not None and pin.identity == self._pin.identity and head[: len(self._head)] == self._head
        if not same or not self._head or os.fstat(pin.fd).st_size < self.end:
            self.forget()
            # The first line tells one log from another, where an inode number can come back.
            self._head = head[: head.find(b"\n") + 1]
        self._pin = pin
        return self._read(pin)

    def _read(self, pin: Pin) -> S | None:
        content = _read_from(pin.fd, self.end)
        try:
            records, read = decode(content)
        except DamagedError:
            self.forget()
            raise
        if self._state is None and records:
            self._state = self._make()
        for record in records:
            assert self._state is not None
            self._state.apply(record)
        self.end += read
        return self._state

    def forget(self) -> None:
        """Read the log from its beginning at the next look."""
        self._state, self._pin, self._head, self.end = None, None, b"", 0


def _read_from(fd: int, at: int) -> bytes:
    parts = []
    while part := os.pread(fd, 1 << 20, at):
        parts.append(part)
        at += len(part)
    return b"".join(parts)
