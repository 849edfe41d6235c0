"""A lock between processes that is released when its holder dies, and names its holder.

`flock`, not `lockf`: a POSIX lock belongs to the process, so two threads would not exclude each other, and closing any
other descriptor of the file would drop it. An flock belongs to the open file: every acquisition opens the file again,
so that one rule serves threads, instances and processes alike. Linux passes it on to an NFS server as a lock on
the whole file (which is why the file is opened for writing); the kernel, or the server, drops it when the holder dies.

Lock files are never deleted: a client of a network file system may still see a deleted one, and lock it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rdzv_core import RendezvousConnectionError
from rdzv_core.backoff import Backoff
from rdzv_file._errors import lost
from rdzv_file._files import is_file_at
from rdzv_file._lock_record import HeldLock, holder_of

_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
_SHORTEST_NAP, _LONGEST_NAP = 0.0005, 0.025

_open_here: set[int] = set()


def _close_inherited() -> None:
    # A forked child shares the open file, and with it the lock: were the parent killed now, its lock would live on in
    # the child. Closing the child's copy takes nothing from the parent.
    for fd in _open_here:
        os.close(fd)
    _open_here.clear()


os.register_at_fork(after_in_child=_close_inherited)


@contextmanager
def hold(endpoint: str, path: str, temporary: str, timeout: float, cancelled: Callable[[], bool]) -> Iterator[HeldLock]:
    """Hold the lock file `path` within the block.

    `temporary` is the name of the temp file, in the same directory, that the holder may write: the next holder deletes
    it if this one dies. Raises `RendezvousConnectionError` after `timeout` seconds, naming the holder if it is known,
    or as soon as `cancelled()`; `OSError` where the file system refuses.
    """
    fd = _acquire(endpoint, path, timeout, cancelled)
    try:
        held = HeldLock(endpoint, path, fd, temporary)
        yield held
        held.finish()
    finally:
        release(fd)


def _acquire(endpoint: str, path: str, timeout: float, cancelled: Callable[[], bool]) -> int:
    deadline = time.monotonic() + timeout
    naps = Backoff(_SHORTEST_NAP, _LONGEST_NAP, factor=1.5)
    while True:
        busy: BlockingIOError | None = None
        fd: int | None = None
        try:
            fd = try_lock(path)
        except BlockingIOError as error:
            busy = error
        if cancelled():
            if fd is not None:
                release(fd)
            raise closed_meanwhile(endpoint) from busy
        if fd is not None:
            return fd
        left = deadline - time.monotonic()
        if left <= 0:
            raise held_too_long(endpoint, path, timeout) from busy
        time.sleep(min(naps.next(), left))


def closed_meanwhile(endpoint: str) -> RendezvousConnectionError:
    """Make the error for a write that was waiting when its backend was closed."""
    return lost(endpoint, "the backend was closed while it waited for its lock; create a new one")


def held_too_long(endpoint: str, path: str, seconds: float) -> RendezvousConnectionError:
    """Make the error for a write that has waited so long for the lock `path`."""
    return lost(
        endpoint,
        f"no lock on {path!r} within {seconds:g} s: {holder_of(path)} it; "
        "check whether that process is stopped or hangs, or raise lock_timeout",
    )


def try_lock(path: str, *, create: bool = True) -> int | None:
    """Return the descriptor of the locked file, to be given to `release`, or None if the file was deleted meanwhile.

    Raises `BlockingIOError` when another holder has it, and `FileNotFoundError` if it is not to be created.
    """
    fd = os.open(path, _FLAGS | (os.O_CREAT if create else 0), 0o600)
    _open_here.add(fd)
    locked = False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        locked = is_file_at(fd, path)
    finally:
        if not locked:
            release(fd)
    return fd if locked else None


def release(fd: int) -> None:
    """Unlock and close a file that is locked."""
    # Unlocked, not only closed: a child forked in between may hold a copy of the descriptor for a moment.
    try:
        fcntl.flock(fd, fcntl.LOCK_UN)
    finally:
        _open_here.discard(fd)
        os.close(fd)
