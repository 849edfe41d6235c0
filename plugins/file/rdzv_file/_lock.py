"""A lock between processes that dies with its holder, and says who that is.

`flock`, not `lockf`: a POSIX lock belongs to the process, so two threads would not exclude each other, and closing any
other descriptor of the file would drop it. An flock belongs to the open file: every acquisition opens the file anew,
which makes one rule do for threads, instances and processes alike. Linux passes it on to an NFS server as a lock on
the whole file (which is why the file is opened for writing); the kernel, or the server, drops it when the holder dies.

Lock files are never deleted: a client of a network file system may still see a deleted one, and lock that.
"""

# ruff: noqa: PTH108, PTH118, PTH120, PTH123 - plain system calls, on plain strings

from __future__ import annotations

import fcntl
import os
import random
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rdzv_file._mapping import lost

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_SHORTEST_NAP, _LONGEST_NAP = 0.0005, 0.025
_TEMPORARY = re.compile(r"[^/]+\.[0-9a-f]{32}\.tmp", re.DOTALL)

_open_here: set[int] = set()


def _close_inherited() -> None:
    # A forked child shares the open file, and with it the lock: were the parent killed now, its lock would live on in
    # the child. Closing the child's copy takes nothing from the parent.
    for fd in _open_here:
        os.close(fd)
    _open_here.clear()


os.register_at_fork(after_in_child=_close_inherited)


@contextmanager
def hold(endpoint: str, path: str, temporary: str, timeout: float, cancelled: Callable[[], bool]) -> Iterator[None]:
    """Hold the lock file `path` for the length of the block.

    `temporary` is the name of the file, in the same directory, that the holder may write: the next holder deletes it
    if this one dies. Raises `RendezvousConnectionError` when `timeout` seconds are over, naming the holder if it is
    known, or as soon as `cancelled()`; `OSError` where the file system refuses.
    """
    fd = _acquire(endpoint, path, timeout, cancelled)
    try:
        _sweep(fd, os.path.dirname(path))
        os.pwrite(fd, os.fsencode(f"{os.getpid()} {socket.gethostname()} {temporary}"), 0)
        yield
        _forget(fd)
    finally:
        _let_go(fd)


def _acquire(endpoint: str, path: str, timeout: float, cancelled: Callable[[], bool]) -> int:
    deadline = time.monotonic() + timeout
    nap = _SHORTEST_NAP
    while True:
        busy: BlockingIOError | None = None
        fd: int | None = None
        try:
            fd = _try(path)
        except BlockingIOError as error:
            busy = error
        if cancelled():
            if fd is not None:
                _let_go(fd)
            raise lost(endpoint, "the backend was closed while it waited for its lock; create a new one") from busy
        if fd is not None:
            return fd
        left = deadline - time.monotonic()
        if left <= 0:
            raise lost(
                endpoint,
                f"no lock on {path!r} within {timeout:g} s: {_holder(path)}; "
                "see whether that process is stopped or hangs, or raise lock_timeout",
            ) from busy
        time.sleep(min(nap * random.uniform(0.5, 1.0), left))
        nap = min(nap * 1.5, _LONGEST_NAP)


def _try(path: str) -> int | None:
    """Give the descriptor of the locked file, or None if the file was deleted by hand meanwhile, which calls for
    another try; raises `BlockingIOError` when somebody else holds it."""
    fd = os.open(path, _FLAGS, 0o600)
    _open_here.add(fd)
    locked = False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        locked = _is_still_at(fd, path)
    finally:
        if not locked:
            _let_go(fd)
    return fd if locked else None


def _let_go(fd: int) -> None:
    # Unlocked, not only closed: a child forked in between may hold a copy of the descriptor for a moment.
    try:
        fcntl.flock(fd, fcntl.LOCK_UN)
    finally:
        _open_here.discard(fd)
        os.close(fd)


def _forget(fd: int) -> None:
    try:
        os.ftruncate(fd, 0)
    except OSError:
        pass  # what was to be written is written; the next holder then finds nothing to sweep


def _is_still_at(fd: int, path: str) -> bool:
    """Say whether the locked file is still the one of that name: somebody may have deleted it by hand."""
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except FileNotFoundError:
        return False


def _sweep(fd: int, directory: str) -> None:
    """Delete what a holder that died left half written; its record tells the name."""
    record = os.pread(fd, 4096, 0)
    if not record:
        return
    name = os.fsdecode(record).split(" ", 2)[-1]
    if _TEMPORARY.fullmatch(name):
        try:
            os.unlink(os.path.join(directory, name))
        except FileNotFoundError:
            pass
    os.ftruncate(fd, 0)


def _holder(path: str) -> str:
    try:
        with open(path, "rb") as file:
            pid, host, _ = os.fsdecode(file.read(4096)).split(" ", 2)
    except (OSError, ValueError):
        return "another process holds it"
    return f"process {pid} on {host} holds it"
