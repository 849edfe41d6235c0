"""A lock between processes that dies with its holder, and says who that is.

`flock`, not `lockf`: a POSIX lock belongs to the process, so two threads would not exclude each other, and closing any
other descriptor of the file would drop it. An flock belongs to the open file: every acquisition opens the file anew,
which makes one rule do for threads, instances and processes alike. Linux passes it on to an NFS server as a lock on
the whole file (which is why the file is opened for writing); the kernel, or the server, drops it when the holder dies.

Lock files are never deleted: a client of a network file system may still see a deleted one, and lock that.
"""

# ruff: noqa: PTH108, PTH118, PTH120 - plain system calls, on plain strings

from __future__ import annotations

import fcntl
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rdzv_core.backoff import Backoff
from rdzv_file._files import read_file
from rdzv_file._mapping import lost, unusable

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_SHORTEST_NAP, _LONGEST_NAP = 0.0005, 0.025
_MARK = b"written\n"
_LONGEST_RECORD = 4096
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
def hold(endpoint: str, path: str, temporary: str, timeout: float, cancelled: Callable[[], bool]) -> Iterator[HeldLock]:
    """Hold the lock file `path` for the length of the block.

    `temporary` is the name of the file, in the same directory, that the holder may write: the next holder deletes it
    if this one dies. Raises `RendezvousConnectionError` when `timeout` seconds are over, naming the holder if it is
    known, or as soon as `cancelled()`; `OSError` where the file system refuses.
    """
    fd = _acquire(endpoint, path, timeout, cancelled)
    try:
        held = HeldLock(endpoint, path, fd, temporary)
        yield held
        held.finish()
    finally:
        _let_go(fd)


class HeldLock:
    """A lock that this process holds, and its record in the lock file.

    The file holds a mark once the store was written, and behind it, while somebody writes, who does.
    """

    def __init__(self, endpoint: str, path: str, fd: int, temporary: str) -> None:
        self._endpoint, self._path, self._fd = endpoint, path, fd
        self._mark, left = _parted(os.pread(fd, _LONGEST_RECORD, 0))
        self._marks = False
        _sweep(left, os.path.dirname(path))
        self._record = os.fsencode(f"{os.getpid()} {socket.gethostname()} {temporary}")
        os.ftruncate(fd, len(self._mark))
        _write_all(fd, self._record, len(self._mark))

    @property
    def is_marked(self) -> bool:
        """Whether the store was written before."""
        return bool(self._mark)

    def check(self) -> None:
        """See that nobody else holds the lock: its file must be there, with this holder's record.

        Where locks exclude this never fails, unless somebody deletes the file by hand. It is opened anew, so that a
        network file system asks its server.
        """
        found = read_file(self._path, _LONGEST_RECORD)
        if found is not None and found == self._mark + self._record:
            return
        if found is None or not _is_still_at(self._fd, self._path):
            raise lost(
                self._endpoint,
                f"the lock file {self._path!r} was deleted or replaced while this process held it, so another one may "
                "write too; whether this write took effect is not known: leave lock files alone while a store is used",
            )
        raise unusable(
            self._endpoint,
            f"locks do not exclude here: {_holder(found)} {self._path!r} while this process does; whether this write "
            "took effect is not known. Mount the file system with working locks (NFS: with lockd, not nolock; FUSE: a "
            "single mount), or use tcp; `rdzv backends file --check PATH` tests a mount",
        )

    def mark(self) -> None:
        """Have `finish` note that the store was written: an empty one is a truncated one from then on."""
        self._marks = True

    def finish(self) -> None:
        """Take the record away: the write is done, or nothing was written."""
        if self._marks and not self._mark:
            # The file is in its place already: whoever sees the mark, and then looks there, finds it.
            os.ftruncate(self._fd, 0)
            _write_all(self._fd, _MARK, 0)
            os.fsync(self._fd)
            return
        try:
            os.ftruncate(self._fd, len(self._mark))
        except OSError:
            pass  # what was to be written is written; the next holder then finds nothing to sweep


def is_marked(path: str) -> bool:
    """Say whether the store of the lock file `path` was written before. Takes no lock."""
    return bool(_parted(read_file(path, _LONGEST_RECORD) or b"")[0])


def _parted(content: bytes) -> tuple[bytes, bytes]:
    """Return the mark, or nothing, and the record behind it."""
    return (_MARK, content[len(_MARK) :]) if content.startswith(_MARK) else (b"", content)


def _write_all(fd: int, content: bytes, at: int) -> None:
    while content:  # a disk that is nearly full takes a part
        written = os.pwrite(fd, content, at)
        content, at = content[written:], at + written


def _acquire(endpoint: str, path: str, timeout: float, cancelled: Callable[[], bool]) -> int:
    deadline = time.monotonic() + timeout
    naps = Backoff(_SHORTEST_NAP, _LONGEST_NAP, factor=1.5)
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
                f"no lock on {path!r} within {timeout:g} s: {_holder_of(path)} it; "
                "see whether that process is stopped or hangs, or raise lock_timeout",
            ) from busy
        time.sleep(min(naps.next(), left))


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


def _is_still_at(fd: int, path: str) -> bool:
    """Say whether the locked file is still the one of that name: somebody may have deleted it by hand."""
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except FileNotFoundError:
        return False


def _sweep(record: bytes, directory: str) -> None:
    """Delete what a holder that died left half written; its record tells the name."""
    name = os.fsdecode(record).split(" ", 2)[-1]
    if _TEMPORARY.fullmatch(name):
        try:
            os.unlink(os.path.join(directory, name))
        except FileNotFoundError:
            pass


def _holder(content: bytes) -> str:
    try:
        pid, host, _ = os.fsdecode(_parted(content)[1]).split(" ", 2)
    except ValueError:
        return "another process holds"
    return f"process {pid} on {host} holds"


def _holder_of(path: str) -> str:
    try:
        return _holder(read_file(path, _LONGEST_RECORD) or b"")
    except OSError:
        return _holder(b"")
