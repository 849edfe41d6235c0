"""A data directory: the file that holds the log, and the lock that lets one server at a time write it."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
from collections.abc import Iterable
from pathlib import Path

from rdzv_core import RendezvousStateError
from rdzv_tcp._state.members import MembersSnapshot
from rdzv_tcp._state.state import State, new_state
from rdzv_tcp._state.stores import StoresSnapshot
from rdzv_tcp._state.table import Record
from rdzv_tcp._wal.format import WITHOUT_MEMBERS, CorruptLog, encode_snapshot, read_log

COMPACT_BYTES = 16 * 1024 * 1024
"""A shorter log is never compacted; a longer one is when it is twice as long as what it has to hold."""

_log = logging.getLogger("rdzv_tcp")
_RECORD_OVERHEAD = 64
# On macOS fsync leaves what was written in the drive's own cache.
_FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)


_OWN = frozenset(("registers.log", "registers.new", "lock"))
_OF_A_FILE_SYSTEM = frozenset(("lost+found", ".snapshot", ".snapshots"))
_MOST_NAMED = 3
_PASSING = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE))


_WAYS_OUT = {
    errno.ENOSPC: " (free some space on the server's disk: it works again then)",
    errno.EDQUOT: " (free some space, or raise the quota of the server's user: it works again then)",
    errno.EROFS: " (the file system is read-only, perhaps after a disk error: remount it)",
    errno.EIO: " (the disk failed: see dmesg on the server)",
}


class UnusableDirectoryError(OSError):
    """A data directory cannot be used; `may_pass` where that can change by itself, as on a full disk."""

    @property
    def may_pass(self) -> bool:
        """Whether waiting may fix it."""
        return self.errno in _PASSING


class Log:
    """The log of one server, open for writing. Not thread-safe: one call at a time.

    Files have the mode 0600; a directory that is missing is created with 0700. Opening it raises
    `UnusableDirectoryError` where that is impossible, another `OSError` where another server has it, and
    `RendezvousStateError` for a corrupt log. What a crash cut off at its end was never acknowledged, and is
    taken away.
    """

    def __init__(self, directory: str | Path, *, fsync: bool = True) -> None:
        self.directory = Path(directory).absolute()
        self._path = self.directory / "registers.log"
        self._fsync = fsync
        self._file = self._lock = -1
        self._broken: str | None = None
        try:
            _check_is_free(self.directory)
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _lock(self.directory)
            self.state = self._read() if self._path.exists() else self._begin()
        except OSError as error:
            self.close()
            if error.errno == errno.EBUSY:
                raise
            raise UnusableDirectoryError(error.errno, _explained(error)) from error
        except BaseException:
            self.close()
            raise

    @property
    def wants_compaction(self) -> bool:
        """Return whether the log is much longer than what it has to hold."""
        return self._size > self._compact_at and self._broken is None

    def append(self, frame: bytes) -> None:
        """Keep a batch: it is on the disk on return, with `fsync`, else in the system's hands.

        Raises `OSError`; then the batch is not in the log. If not even that can be brought about, its text says so, and
        every later call raises.
        """
        if self._broken is not None:
            raise OSError(errno.EIO, self._broken)
        try:
            _write_all(self._file, frame)
            self._sync(self._file)
        except OSError as error:
            self._roll_back(error)
            raise OSError(error.errno, f"{self._path}: {_explained(error)}: nothing was written") from error
        self._size += len(frame)

    def compact(
        self,
        incarnation: bytes,
        records: dict[str, Record],
        nonces: list[bytes],
        stores: StoresSnapshot,
        members: MembersSnapshot,
    ) -> None:
        """Put a log with just this content into the place of the old one. Raises `OSError`: the old one stays then."""
        try:
            self._replace(encode_snapshot(incarnation, records, nonces, stores, members))
        except OSError:
            self._compact_at = 2 * self._size  # not at once again
            raise
        self._compact_at = max(COMPACT_BYTES, 2 * self._size)

    def close(self) -> None:
        """Close the files and give the directory up. Idempotent."""
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._lock = -1

    def _read(self) -> State:
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        size = os.fstat(self._file).st_size
        log = self._path.read_bytes()
        try:
            kept, self._size = read_log(memoryview(log))
        except CorruptLog as error:
            raise RendezvousStateError(
                f"{self._path}: corrupt at offset {error.offset} of {size}: {error}. Nothing was changed. Restore it "
                "from a copy; or, if what follows may be lost, cut it with "
                f"`truncate -s {error.offset}`, or move it away to start with nothing"
            ) from error
        if self._size < size:
            _log.warning(
                "rdzv tcp server: %s: dropped the last %d bytes, a batch that a crash cut off and nobody was told of",
                self._path,
                size - self._size,
            )
            os.ftruncate(self._file, self._size)
            self._sync(self._file)
        (records, nonces), stores, members = kept.table.copy_out(), kept.stores.copy_out(), kept.members.copy_out()
        live = sum(len(key) + len(record.value) + _RECORD_OVERHEAD for key, record in records.items())
        live += sum(len(key) + len(value) for _, _, items in stores.stores for key, value in items.items())
        live += sum(len(enter.payload) + len(enter.run) + _RECORD_OVERHEAD for enter, _ in members.members)
        self._compact_at = max(COMPACT_BYTES, 2 * live)
        if log.startswith(WITHOUT_MEMBERS):
            # What is added to it from now on an older server could not read, and must not take for corrupt.
            self._replace(encode_snapshot(kept.table.incarnation, records, nonces, stores, members))
        return kept

    def _begin(self) -> State:
        state = new_state()
        self._replace(encode_snapshot(state.table.incarnation, {}, [], members=state.members.copy_out()))
        self._sync_directory(self.directory.parent)
        self._compact_at = COMPACT_BYTES
        return state

    def _replace(self, pieces: Iterable[bytes]) -> None:
        new = self._path.with_suffix(".new")
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        descriptor = os.open(new, flags, 0o600)
        try:
            size = sum(_write_all(descriptor, piece) for piece in pieces)
            self._sync(descriptor)
            new.rename(self._path)
        except BaseException:
            os.close(descriptor)
            new.unlink(missing_ok=True)
            raise
        old, self._file, self._size = self._file, descriptor, size
        if old >= 0:
            os.close(old)
        try:
            self._sync_directory(self.directory)
        except OSError as error:
            # After a power cut the name could stand for the old file: nothing that is only in the new one may count.
            self._broken = f"{self._path}: {error.strerror}: fix the disk, then restart the server"
            raise

    def _roll_back(self, failure: OSError) -> None:
        try:
            os.ftruncate(self._file, self._size)
            self._sync(self._file)
        except OSError as error:
            self._broken = (
                f"{self._path}: a write failed ({failure.strerror}), and so did its rollback ({error.strerror}): the "
                "last batch may or may not be durable. Writes are disabled; fix the disk, then restart the server"
            )
            raise OSError(errno.EIO, self._broken) from error

    def _sync_directory(self, directory: Path) -> None:
        descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._sync(descriptor)
        finally:
            os.close(descriptor)

    def _sync(self, descriptor: int) -> None:
        if self._fsync:
            os.fsync(descriptor)
            if _FULL_SYNC is not None:
                fcntl.fcntl(descriptor, _FULL_SYNC)


def _explained(error: OSError) -> str:
    """Return what failed, and what to do about it where that is known."""
    way_out = _WAYS_OUT.get(error.errno or 0, "")
    return f"{error.strerror or error}{way_out}"


def _check_is_free(directory: Path) -> None:
    """Raise `OSError` for a directory with files of somebody else, unless a server has kept its log there before."""
    try:
        there = {each.name for each in directory.iterdir()}
    except (FileNotFoundError, NotADirectoryError):
        return  # to make it says what is wrong with it
    foreign = sorted(there - _OWN - _OF_A_FILE_SYSTEM)
    if not foreign or "registers.log" in there:
        return
    more = f" and {len(foreign) - _MOST_NAMED} more" if len(foreign) > _MOST_NAMED else ""
    named = f"{', '.join(map(repr, foreign[:_MOST_NAMED]))}{more}"
    raise OSError(
        errno.ENOTEMPTY,
        f"the directory is not empty, and holds files that are not an rdzv server's: {named}; give one that is "
        f"empty or does not exist yet, such as {str(directory / 'rdzv')!r}",
    )


def _write_all(descriptor: int, data: bytes) -> int:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    return len(data)


def _lock(directory: Path) -> int:
    """Lock a directory for as long as the descriptor is open: it falls with the process, however that ends."""
    path = directory / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
    except BlockingIOError:
        holder = os.pread(descriptor, 200, 0).decode(errors="replace") or "another process"
        os.close(descriptor)
        raise OSError(
            errno.EBUSY,
            f"the data directory {directory} is in use by {holder}: give each server a directory of its own",
        ) from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
