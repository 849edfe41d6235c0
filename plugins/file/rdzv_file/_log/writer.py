"""Writing to a log under its lock."""

# ruff: noqa: PTH112, PTH118, PTH119, PTH120 - plain system calls, on plain strings

from __future__ import annotations

import math
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Generic, TypeVar, cast

from rdzv_core import RendezvousError
from rdzv_core.abc import OnDone
from rdzv_file._files import create_directory, replace_file
from rdzv_file._lane import Lane
from rdzv_file._lock import closed_meanwhile, held_too_long, hold
from rdzv_file._lock_record import HeldLock
from rdzv_file._log.format import DamagedError, Record, encode
from rdzv_file._log.reader import LogReader, State
from rdzv_file._turns import Patience, turns_of

S = TypeVar("S", bound=State)
T = TypeVar("T")

_APPEND = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW


class OpenLog(Generic[S]):
    """A log whose lock is held: nobody else writes to it. `state` is None where there is none, or a damaged one.

    A context manager: what is appended is in `state` at once, and is written all together when the block ends, unless
    it is flushed before. While the block lasts, the other threads of this process do not see the log.
    """

    def __init__(self, reader: LogReader[S], held: HeldLock, temporary: str, sync: bool) -> None:
        self._reader, self._held, self._temporary, self._sync = reader, held, temporary, sync
        self._pending: list[bytes] = []
        self.damaged: DamagedError | None = None
        self.state: S | None = None

    def __enter__(self) -> OpenLog[S]:
        self._reader.lock.acquire()
        try:
            self.state = self._reader.look()
        except DamagedError as error:
            self.damaged = error
        except BaseException:
            self._reader.lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.flush()
            elif self._pending:
                self._reader.forget()
        finally:
            self._reader.lock.release()

    @property
    def size(self) -> int:
        """How many bytes the log has."""
        return self._reader.end + sum(map(len, self._pending))

    def append(self, record: Record) -> None:
        """Add a record behind all others."""
        assert self.state is not None, "a log that is not there begins with `replace`"
        self.state.apply(record)
        self._pending.append(encode(record))

    def flush(self) -> None:
        """Write what was appended. If this raises `OSError`, nothing is changed."""
        if not self._pending:
            return
        content, self._pending = b"".join(self._pending), []
        try:
            self._write(content, self._reader.end)
        except BaseException:
            self._reader.forget()  # what the state says is not in the file
            raise
        self._reader.end += len(content)

    def replace(self, records: Sequence[Record]) -> S:
        """Write a new log that says this, and put it in the place of the old one, if there is one."""
        content = b"".join(map(encode, records))
        replace_file(self._reader.path, self._temporary, (content,), self._held.check, sync=self._sync)
        self._held.check()
        self._pending = []
        state = self._reader.look()
        assert state is not None, "the records begin with the one that makes the state"
        self.state = state
        return state

    def _write(self, content: bytes, at: int) -> None:
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


class _Change(Generic[S]):
    """What a thread wants done to a log; whoever has the lock does it, and calls `done` where there is one."""

    def __init__(self, change: Callable[[OpenLog[S]], object], patience: Patience, done: OnDone | None = None) -> None:
        self.change, self.patience = change, patience
        self.deadline = time.monotonic() + patience.seconds
        self.over = False
        self.result: object = None
        self.error: BaseException | None = None
        self._done = done

    @property
    def submitted(self) -> bool:
        return self._done is not None

    def tell(self) -> None:
        if self._done is not None:
            error = self.error
            if error is not None and not isinstance(error, Exception):
                error = RendezvousError(f"another thread that wrote for this one was ended by {error!r}")
            self._done(self.result, error)


class GroupWriter(Generic[S]):
    """Changes of a log: the thread that gets the lock does all that others of this process wait for, in one write."""

    def __init__(self, reader: LogReader[S], lock: str, *, sync: bool) -> None:
        self._reader, self._lock, self._sync = reader, lock, sync
        self._turns = turns_of(lock)
        self._queue: deque[_Change[S]] = deque()

    def do(self, change: Callable[[OpenLog[S]], T], patience: Patience) -> T:
        """Have `change` done, and return what it returns; raises what it raises.

        Raises `RendezvousConnectionError` when it takes too long: it may have been done all the same.
        """
        mine = _Change(change, patience)
        self._queue.append(mine)
        ended: list[_Change[S]] = []
        try:
            with self._turns.turn(self._lock, patience) as left:
                if not mine.over:
                    self._do_all(left, patience, ended)
        finally:
            if not mine.over:
                self._take_back(mine)
            for one in ended:
                one.tell()
        if mine.error is not None:
            raise mine.error
        return cast("T", mine.result)

    def submit(self, change: Callable[[OpenLog[S]], object], patience: Patience, lane: Lane, done: OnDone) -> None:
        """Have `change` done in a lane, with all that is submitted until it has the lock, and `done` told the result.

        `done` is told the error of `do` after the same time.
        """
        mine = _Change(change, patience, done)
        self._queue.append(mine)
        if not lane.post(lambda: self._do_submitted(patience)):
            self._end(mine, closed_meanwhile(patience.endpoint))

    @contextmanager
    def alone(self, patience: Patience) -> Iterator[OpenLog[S]]:
        """Hold the log for one change within the block."""
        with (
            locked_in_turn(self._lock, patience) as (held, temporary),
            OpenLog(self._reader, held, temporary, self._sync) as log,
        ):
            yield log

    def _do_submitted(self, patience: Patience) -> None:
        ended: list[_Change[S]] = []
        theirs = Patience(patience.endpoint, math.inf, self._none_waits)
        try:
            if self._queue:
                with self._turns.turn(self._lock, theirs) as left:
                    if self._queue:
                        self._do_all(left, theirs, ended)
        except Exception as error:  # noqa: BLE001 - all who wait are told
            for one in self._submitted():
                self._end(one, error)
        finally:
            for one in ended:
                one.tell()

    def _none_waits(self) -> bool:
        """End the submitted changes whose time is over; return whether no other is left."""
        for one in self._submitted():
            patience = one.patience
            if patience.cancelled():
                self._end(one, closed_meanwhile(patience.endpoint))
            elif time.monotonic() >= one.deadline:
                self._end(one, held_too_long(patience.endpoint, self._lock, patience.seconds))
        return not self._submitted()

    def _submitted(self) -> list[_Change[S]]:
        return [one for one in self._queue.copy() if one.submitted]

    def _end(self, one: _Change[S], error: Exception) -> None:
        if self._take_back(one):
            one.error, one.over = error, True
            one.tell()

    def _take_back(self, one: _Change[S]) -> bool:
        """Have it not done; False where somebody has begun to."""
        try:
            self._queue.remove(one)
        except ValueError:
            return False
        return True

    def _do_all(self, seconds: float, patience: Patience, ended: list[_Change[S]]) -> None:
        with held_lock(self._lock, seconds, patience) as (held, temporary):
            self._do_all_under_lock(OpenLog(self._reader, held, temporary, self._sync), ended)

    def _do_all_under_lock(self, log: OpenLog[S], ended: list[_Change[S]]) -> None:
        try:
            with log:
                while self._queue:
                    ended.append(self._queue.popleft())
                    try:
                        ended[-1].result = ended[-1].change(log)
                    except RendezvousError as error:
                        ended[-1].error = error
        except BaseException as error:
            for one in ended:
                one.error = one.error or error
            if not isinstance(error, Exception):
                raise
        finally:
            for one in ended:
                one.over = True


@contextmanager
def locked_in_turn(lock: str, patience: Patience) -> Iterator[tuple[HeldLock, str]]:
    """Hold the lock file as `held_lock` does, after the other threads of this process had it."""
    with turns_of(lock).turn(lock, patience) as left, held_lock(lock, left, patience) as (held, temporary):
        yield held, temporary


@contextmanager
def held_lock(lock: str, seconds: float, patience: Patience) -> Iterator[tuple[HeldLock, str]]:
    """Hold the lock file within the block, and have the path of the temp file that may be written then.

    Its directory is made if it is missing. Raises `RendezvousConnectionError` when it takes too long.
    """
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
