"""The file of one member: its time of change tells the last refresh, and whoever locks it keeps others from that."""

# ruff: noqa: PTH108, PTH116 - plain system calls, on plain strings

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rdzv_file._lock import release, try_lock

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_STEP = 2
"""How much later each refresh makes the file, in seconds, at least: no file system is coarser."""


def create(path: str) -> None:
    """Create the file, for this user alone."""
    os.close(os.open(path, _CREATE, 0o600))


def remove(path: str) -> None:
    """Delete the file; a missing one is not an error."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def last_refresh(path: str) -> int | None:
    """Return a number that differs after every refresh; None if there is no such file.

    Over a network it may be that of a minute ago: only one that is read under the lock is what it is now.
    """
    try:
        return os.stat(path, follow_symlinks=False).st_mtime_ns
    except FileNotFoundError:
        return None


@contextmanager
def locked(path: str) -> Iterator[int | None]:
    """Keep others from a refresh within the block, which gets the open file, or None if there is no such file.

    Raises `BlockingIOError` if somebody else has it locked.
    """
    try:
        fd = try_lock(path, create=False)
    except FileNotFoundError:
        fd = None
    try:
        yield fd
    finally:
        if fd is not None:
            release(fd)


def refreshed_at(fd: int) -> int:
    """Return the number of the last refresh of an open file that is locked here."""
    return os.fstat(fd).st_mtime_ns


def refresh(fd: int) -> None:
    """Make the file later: its time is now, and by 2 s later than before at least. Its lock is held."""
    later = max(int(time.time()), os.fstat(fd).st_mtime_ns // 10**9 + _STEP)
    os.utime(fd, (later, later))


@contextmanager
def opened(path: str) -> Iterator[int | None]:
    """Open the file within the block, which over a network asks the server; None if there is no such file."""
    try:
        fd = os.open(path, _OPEN)
    except FileNotFoundError:
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)
