"""What a lock file holds: a mark once the store was written, and the record of the current writer."""

# ruff: noqa: PTH108, PTH118, PTH120 - plain system calls, on plain strings

from __future__ import annotations

import os
import re
import socket

from rdzv_file._errors import lost, unusable
from rdzv_file._files import is_file_at, read_file

_MARK = b"written\n"
_LONGEST_RECORD = 4096
_TEMPORARY = re.compile(r"[^/]+\.[0-9a-f]{32}\.tmp", re.DOTALL)


class HeldLock:
    """A lock that this process holds, with its record in the lock file.

    The file begins with a mark once the store was written; the record of the current holder follows it.
    """

    def __init__(self, endpoint: str, path: str, fd: int, temporary: str) -> None:
        self._endpoint, self._path, self._fd = endpoint, path, fd
        self._mark, left = _split(os.pread(fd, _LONGEST_RECORD, 0))
        self._marks = False
        _delete_leftover(left, os.path.dirname(path))
        self._record = os.fsencode(f"{os.getpid()} {socket.gethostname()} {temporary}")
        os.ftruncate(fd, len(self._mark))
        _write_all(fd, self._record, len(self._mark))

    @property
    def is_marked(self) -> bool:
        """Whether the store was written before."""
        return bool(self._mark)

    def check(self) -> None:
        """Check that nobody else holds the lock: its file must exist, with this holder's record.

        Where locks exclude, this never fails unless somebody deletes the file by hand. The file is opened again, so
        that a network file system asks its server.
        """
        found = read_file(self._path, _LONGEST_RECORD)
        if found is not None and found == self._mark + self._record:
            return
        if found is None or not is_file_at(self._fd, self._path):
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
        """Let `finish` note that the store was written: from then on, an empty store is a truncated one."""
        self._marks = True

    def finish(self) -> None:
        """Remove the record: the write is done, or nothing was written."""
        if self._marks and not self._mark:
            # The file is in place already: a process that sees the mark and then looks there finds it.
            os.ftruncate(self._fd, 0)
            _write_all(self._fd, _MARK, 0)
            os.fsync(self._fd)
            return
        try:
            os.ftruncate(self._fd, len(self._mark))
        except OSError:
            pass  # the write itself is complete; the next holder finds no temp file to delete


def is_marked(path: str) -> bool:
    """Return whether the store of the lock file `path` was written before. Takes no lock."""
    return bool(_split(read_file(path, _LONGEST_RECORD) or b"")[0])


def _split(content: bytes) -> tuple[bytes, bytes]:
    """Return the mark (or nothing) and the record that follows it."""
    return (_MARK, content[len(_MARK) :]) if content.startswith(_MARK) else (b"", content)


def _write_all(fd: int, content: bytes, at: int) -> None:
    while content:  # a disk that is nearly full writes a part
        written = os.pwrite(fd, content, at)
        content, at = content[written:], at + written


def _delete_leftover(record: bytes, directory: str) -> None:
    """Delete the temp file that a holder left when it died; its record has the name."""
    name = os.fsdecode(record).split(" ", 2)[-1]
    if _TEMPORARY.fullmatch(name):
        try:
            os.unlink(os.path.join(directory, name))
        except FileNotFoundError:
            pass


def _holder(content: bytes) -> str:
    try:
        pid, host, _ = os.fsdecode(_split(content)[1]).split(" ", 2)
    except ValueError:
        return "another process holds"
    return f"process {pid} on {host} holds"


def holder_of(path: str) -> str:
    """Return words that name the process holding the lock file `path`, as far as it is known."""
    try:
        return _holder(read_file(path, _LONGEST_RECORD) or b"")
    except OSError:
        return _holder(b"")
