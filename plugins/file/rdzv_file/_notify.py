"""Being woken when a file changes, by inotify: one instance and one thread for all who wait in this process.

It shortens a wait and is never relied upon: where there is no inotify, or no instance left, nobody is woken.
"""

# ruff: noqa: PTH120 - plain system calls, on plain strings

from __future__ import annotations

import ctypes  # not at the first wait: a fork amidst an import leaves the child the module's lock
import os
import select
import struct
import sys
import threading
from typing import Any, Protocol

_CHANGED = 0x002 | 0x004 | 0x400 | 0x800  # IN_MODIFY, IN_ATTRIB, IN_DELETE_SELF, IN_MOVE_SELF
_APPEARED = 0x100 | 0x080 | 0x400 | 0x800  # IN_CREATE, IN_MOVED_TO, IN_DELETE_SELF, IN_MOVE_SELF
_EVENT = struct.Struct("iIII")


class Bell(Protocol):
    """What is set when a file changes: a `threading.Event`, for example. Setting it does not block."""

    def set(self) -> None:
        """Ring."""

    def clear(self) -> None:
        """Be ready to ring again."""

    def is_set(self) -> bool:
        """Return whether it has rung since."""


class _Instance:
    """One inotify instance and the thread that reads it."""

    def __init__(self) -> None:
        self._libc: Any = ctypes.CDLL(None, use_errno=True)
        self._fd = int(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._stopping, self._stop = os.pipe2(os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._bells: dict[int, set[Bell]] = {}
        self._thread = threading.Thread(target=self._read, name="rdzv file changes", daemon=True)
        self._thread.start()

    def watch(self, path: str, bell: Bell) -> int:
        """Have `bell` set at the next change of the file, or of its directory where it is missing; -1: that fails."""
        with self._lock:
            watch = self._add(path, _CHANGED)
            if watch < 0:
                watch = self._add(os.path.dirname(path), _APPEARED)
            if watch >= 0:
                self._bells.setdefault(watch, set()).add(bell)
            return watch

    def forget(self, watch: int, bell: Bell) -> None:
        """Undo a `watch`."""
        with self._lock:
            bells = self._bells.get(watch)
            if bells is None:
                return
            bells.discard(bell)
            if not bells:
                del self._bells[watch]
                self._libc.inotify_rm_watch(self._fd, watch)

    def ring(self) -> None:
        """Set every bell."""
        with self._lock:
            for bells in self._bells.values():
                for bell in bells:
                    bell.set()

    def close(self) -> None:
        """End the thread; nobody watches any more."""
        os.close(self._stop)
        self._thread.join()
        self.close_files()

    def close_files(self) -> None:
        """Close what is open beside the pipe's other end."""
        os.close(self._fd)
        os.close(self._stopping)

    def abandon(self) -> None:
        """Close everything in a forked child, where the thread is not."""
        os.close(self._stop)
        self.close_files()

    def _add(self, path: str, mask: int) -> int:
        return int(self._libc.inotify_add_watch(self._fd, os.fsencode(path), mask))

    def _read(self) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.register(self._stopping, select.POLLIN)
        while all(fd != self._stopping for fd, _ in poll.poll()):
            try:
                events = os.read(self._fd, 1 << 16)
            except BlockingIOError:
                continue
            self._tell(events)

    def _tell(self, events: bytes) -> None:
        at = 0
        with self._lock:
            while at < len(events):
                watch, _, _, length = _EVENT.unpack_from(events, at)
                at += _EVENT.size + length
                for bell in self._bells.get(watch, ()):
                    bell.set()


class _Shared:
    """The instance of this process, for as long as somebody uses it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.instance: _Instance | None = None

    def acquire(self) -> _Instance | None:
        with self.lock:
            self.users += 1
            if self.instance is None:
                try:
                    self.instance = _Instance()
                except (OSError, AttributeError):
                    pass  # none is left, or this system has none
            return self.instance

    def release(self) -> None:
        with self.lock:
            self.users -= 1
            if self.users or self.instance is None:
                return
            instance, self.instance = self.instance, None
        instance.close()


_shared = _Shared()


def _begin_anew() -> None:
    global _shared
    before, _shared = _shared, _Shared()
    if before.instance is not None:
        before.instance.abandon()


os.register_at_fork(after_in_child=_begin_anew)


def ring_all() -> None:
    """Wake everybody who waits in this process."""
    instance = _shared.instance
    if instance is not None:
        instance.ring()


class Alarm:
    """Rings a bell when the file `path` changes. Not thread-safe; `close` it."""

    def __init__(self, path: str, bell: Bell) -> None:
        self._path = path
        self._bell = bell
        self._shared = _shared
        self._instance = _shared.acquire() if sys.platform == "linux" else None
        self._watch = -1

    def set(self) -> bool:
        """Watch from now on; False if the bell will not ring."""
        if self._instance is None:
            return False
        if self._watch < 0 or self._bell.is_set():
            self._bell.clear()
            watch = self._instance.watch(self._path, self._bell)
            if self._watch not in (-1, watch):
                self._instance.forget(self._watch, self._bell)
            self._watch = watch
        return self._watch >= 0

    def close(self) -> None:
        """Watch no more."""
        if sys.platform != "linux":
            return
        if self._instance is not None and self._watch >= 0 and self._shared is _shared:
            self._instance.forget(self._watch, self._bell)
        if self._shared is _shared:
            self._shared.release()
