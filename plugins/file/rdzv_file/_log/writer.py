"""Writing to a log under its lock."""

# ruff: noqa: PTH112, PTH118, PTH119, PTH120 - plain system calls, on plain strings

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Generic, NamedTuple, TypeVar
from weakref import WeakValueDictionary

from rdzv_file._errors import lost
from rdzv_file._files import create_directory, replace_file
from rdzv_file._lock import hold
from rdzv_file._lock_record import HeldLock
from rdzv_file._log.format import DamagedError, Record, encode
from rdzv_file._log.reader import LogReader, State

S = TypeVar("S", bound=State)

_APPEND = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_LOOK_EVERY = 0.25


class Patience(NamedTuple):
    """For how long a write waits for its turn, in seconds, and what ends that early."""

    endpoint: str
    seconds: float
    cancelled: Callable[[], bool]


class OpenLog(Generic[S]):
    """A log whose lock is held: nobody else writes to it. `state` is None where there is none, or a damaged one."""

    def __init__(self, reader: LogReader[S], held: HeldLock, temporary: str, sync: bool) -> None:
        self._reader, self._held, self._temporary, self._sync = reader, held, temporary, sync
        self.damaged: DamagedError | None = None
        self.state: S | None = None
        try:
            self.state = reader.look()
        except DamagedError as error:
            self.damaged = error

    @property
    def size(self) -> int:
        """How many bytes the log has."""
        return self._reader.end

    def append(self, record: Record) -> None:
        """Write a record behind all others. If this raises `OSError`, nothing is changed."""
        content, at = encode(record), self._reader.end
        fd = os.open(self._reader.path, _APPEND)
        try:
            if os.fstat(fd).st_size > at:
                os.ftruncate(fd, at)  # what a writer began that was killed
            self._held.check()
            try:
                _write_all(fd, content, at)
                if self._sync:
                    os.fsync(fd)
            except BaseException:
                os.ftruncate(fd, at)
                raise
        finally:
            os.close(fd)
        self._held.check()
        self.state = self._reader.look()

    def replace(self, records: Sequence[Record]) -> S:
        """Write a new log that says this, and put it in the place of the old one, if there is one."""
        content = b"".join(map(encode, records))
        replace_file(self._reader.path, self._temporary, content, self._held.check, sync=self._sync)
        self._held.check()
        state = self._reader.look()
        assert state is not None, "the records begin with the one that makes the state"
        self.state = state
        return state


class WritingTurns:
    """Who writes next: the threads of this process queue here, so that only one of them waits for the lock file."""

    def __init__(self) -> None:
        self._turn = threading.Lock()

    @contextmanager
    def hold(self, lock: str, patience: Patience) -> Iterator[tuple[HeldLock, str]]:
        """Hold the lock file `lock` within the block, and have the path of the temp file that may be written then.

        Its directory is made if it is missing. Raises `RendezvousConnectionError` when it takes too long.
        """
        deadline = time.monotonic() + patience.seconds
        self._wait(lock, deadline, patience)
        try:
            with _held(lock, max(0.0, deadline - time.monotonic()), patience) as (held, temporary):
                yield held, temporary
        finally:
            self._turn.release()

    def _wait(self, lock: str, deadline: float, patience: Patience) -> None:
        while not self._turn.acquire(timeout=max(0.0, min(_LOOK_EVERY, deadline - time.monotonic()))):
            if patience.cancelled():
                raise lost(patience.endpoint, "the backend was closed while it waited for its lock; create a new one")
            if time.monotonic() >= deadline:
                raise lost(
                    patience.endpoint,
                    f"no lock on {lock!r} within {patience.seconds:g} s: other threads of this process hold it; "
                    "check whether one of them hangs, or raise lock_timeout",
                )


_turns: WeakValueDictionary[str, WritingTurns] = WeakValueDictionary()
_making = threading.Lock()


def _begin_anew() -> None:
    # In a forked child: its threads are not there that may have held a lock.
    global _turns, _making
    _turns, _making = WeakValueDictionary(), threading.Lock()


os.register_at_fork(after_in_child=_begin_anew)


def turns_of(lock: str) -> WritingTurns:
    """Return this process's turns at a lock file; they are there for as long as somebody holds them."""
    with _making:
        turns = _turns.get(lock)
        if turns is None:
            turns = _turns[lock] = WritingTurns()
        return turns


@contextmanager
def _held(lock: str, seconds: float, patience: Patience) -> Iterator[tuple[HeldLock, str]]:
    name = f"{os.path.basename(lock)}.{secrets.token_hex(16)}.tmp"
    directory = os.path.dirname(lock)
    with ExitStack() as ending:
        for last in (False, False, True):
            try:
                if not os.path.isdir(directory):
                    create_directory(os.path.dirname(directory))
                    create_directory(directory)
                held = ending.enter_context(hold(patience.endpoint, lock, name, seconds, patience.cancelled))
                break
            except FileNotFoundError:
                if last:
                    raise  # not because somebody removed the directory just now
        yield held, os.path.join(directory, name)


def _write_all(fd: int, content: bytes, at: int) -> None:
    rest = memoryview(content)
    while rest:
        written = os.pwrite(fd, rest, at)
        rest, at = rest[written:], at + written
