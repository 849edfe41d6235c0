"""Writes by way of the disk, many with one fsync."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

from rdzv_tcp._protocol import (
    Answer,
    Delete,
    Enter,
    Failed,
    Leave,
    MemberWrite,
    Renew,
    Set,
    StoreCompareSet,
    StoreSet,
    StoreWrite,
    WriteRequest,
)
from rdzv_tcp._state.state import Effect, members_topic
from rdzv_tcp._state.table import Draft, RegisterChange
from rdzv_tcp._wal.format import MembersEnded, MembershipEntry, StoreEntry, encode_changes
from rdzv_tcp._wal.log import Log
from rdzv_tcp._wal.pending_members import PendingMembers

BATCH_BYTES = 8 * 1024 * 1024

RETRY_SECONDS = 1.0
"""How long after a failed write the server tries again to end a member whose end could not be written."""

_MEMBER_BYTES = 64

_log = logging.getLogger("rdzv_tcp")


class Writer(Protocol):
    """The connection whose write it is."""

    def hold(self, size: int) -> None:
        """Note that a write of `size` bytes waits for the disk: not too many may."""

    def release(self, request_id: int, answer: Answer, size: int) -> None:
        """Answer a write that waited for the disk."""


W = TypeVar("W", bound=Writer)
W_contra = TypeVar("W_contra", bound=Writer, contravariant=True)


class Effects(Protocol[W_contra]):
    """What makes a batch that is on disk take effect in memory, and tells those who wait for it."""

    def now(self) -> float:
        """Return the time, by the clock of the leases."""

    def apply(self, request: MemberWrite | StoreWrite, writer: W_contra, displaced: str | None) -> Effect:
        """Do what a write asks; `displaced` is the store that it displaces."""

    def changed(
        self, topics: Iterable[Hashable], writer: W_contra | None = None, dropped: tuple[str, ...] | None = None
    ) -> None:
        """Answer those who wait for `topics`, or for anything below `dropped`."""

    def settled(self) -> None:
        """Note that a batch is done: a lease may end sooner now."""


@dataclass
class _Submitted(Generic[W]):
    writer: W
    request_id: int
    request: WriteRequest
    size: int


class _Expired(NamedTuple):
    """Members whose time was over when this was submitted."""

    members: list[bytes]


@dataclass
class _Batch(Generic[W]):
    """What goes to the disk together.

    Of registers the answers are known before, and `changes` is what they change. What other writes answer comes of
    doing them. `ended` are the members who end, and `touched` those that the batch is about, once for each time.
    """

    changes: list[RegisterChange]
    answered: list[tuple[_Submitted[W], Answer]] = field(default_factory=list)
    entries: list[tuple[_Submitted[W], StoreEntry | MembershipEntry]] = field(default_factory=list)
    ended: list[bytes] = field(default_factory=list)
    touched: list[bytes] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.answered) + len(self.entries) + len(self.ended)


class GroupCommit(Generic[W]):
    """Commits writes in batches: first into the log, on a thread of its own, then into memory, then the answers.

    Reads go on meanwhile and see what is in memory, that is what is on the disk and nothing else. While one batch is
    written the next one gathers, so that under load one fsync serves many writes. A batch that cannot be written
    changes nothing, and each of its writers is told so.
    """

    def __init__(self, log: Log, pending: PendingMembers, effects: Effects[W]) -> None:
        self._log = log
        self._table, self._stores, self._members = log.state
        self._pending = pending
        self._effects = effects
        self._queue: deque[_Submitted[W] | _Expired] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rdzv-tcp-log")
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._queue)

    def submit(self, writer: W, request_id: int, request: WriteRequest) -> None:
        """Do `request` with the next batch, and answer it then."""
        size = _size(request)
        writer.hold(size)
        if isinstance(request, (Enter, Renew, Leave)):
            self._pending.add((request.member,))
        self._put(_Submitted(writer, request_id, request, size))

    def end(self, members: list[bytes]) -> None:
        """End those of `members`, whose time is over, that are still there, and not renewed, when it is their turn."""
        self._pending.add(members)
        self._put(_Expired(members))

    async def close(self) -> None:
        """Finish what was submitted, then end the thread and close the log."""
        while self._task is not None:
            await asyncio.wait([self._task])
        self._thread.shutdown()
        self._log.close()

    def _put(self, one: _Submitted[W] | _Expired) -> None:
        self._queue.append(one)
        if self._task is None:
            # A task begins when what is ready now has been read: so the first batch takes all of that.
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        try:
            while self._queue:
                await self._commit(self._decide())
                if self._log.wants_compaction:
                    await self._compact()
        finally:
            self._task = None

    def _decide(self) -> _Batch[W]:
        draft = Draft(self._table)
        batch: _Batch[W] = _Batch(draft.changes)
        size = 0
        while self._queue and size < BATCH_BYTES:
            submitted = self._queue.popleft()
            if isinstance(submitted, _Expired):
                self._decide_ends(submitted.members, batch)
                continue
            size += submitted.size
            request = submitted.request
            if isinstance(request, (Set, Delete)):
                batch.answered.append((submitted, draft.write(request)))
            elif isinstance(request, (Enter, Renew, Leave)):
                batch.touched.append(request.member)
                batch.entries.append((submitted, MembershipEntry(request)))
            else:
                batch.entries.append((submitted, StoreEntry(request, self._stores.displaces(request))))
                if self._stores.makes_store(request):
                    break  # which store the next one displaces, if any, is only known when this one is there
        return batch

    def _decide_ends(self, members: list[bytes], batch: _Batch[W]) -> None:
        now = self._effects.now()
        for member in members:
            batch.touched.append(member)
            # A member about which more is pending is alive: it asked for something before its end was decided.
            if self._members.is_due(member, now) and self._pending.count(member) == 1:
                batch.ended.append(member)
            else:
                self._members.postpone(member, now)

    async def _commit(self, batch: _Batch[W]) -> None:
        failure = await self._write(batch)
        if failure is None:
            self._take_effect(batch)
        else:
            for submitted in [one for one, _ in batch.answered] + [one for one, _ in batch.entries]:
                submitted.writer.release(submitted.request_id, failure, submitted.size)
        self._effects.settled()

    def _take_effect(self, batch: _Batch[W]) -> None:
        """Answer a batch whose registers have changed, and do the rest of it."""
        for submitted, answer in batch.answered:
            submitted.writer.release(submitted.request_id, answer, submitted.size)
        runs: dict[Hashable, None] = dict.fromkeys(map(members_topic, self._members.end(batch.ended)))
        for submitted, entry in batch.entries:
            displaced = entry.displaced if isinstance(entry, StoreEntry) else None
            effect = self._effects.apply(entry.request, submitted.writer, displaced)
            submitted.writer.release(submitted.request_id, effect.answer, submitted.size)
            if isinstance(entry, MembershipEntry):
                runs.update(dict.fromkeys(effect.topics))  # once for all changes of the batch
            else:
                self._effects.changed(effect.topics, submitted.writer, effect.dropped)
        self._effects.changed(dict.fromkeys(change.key for change in batch.changes))
        self._effects.changed(runs)

    async def _write(self, batch: _Batch[W]) -> Failed | None:
        """Have a batch on disk, and its registers in memory. Return why it is not."""
        failure: Failed | None = None
        entries: list[StoreEntry | MembershipEntry | MembersEnded] = [entry for _, entry in batch.entries]
        if batch.ended:
            entries.insert(0, MembersEnded(b"".join(batch.ended)))
        try:
            if batch.changes or entries:
                await self._in_thread(self._log.append, encode_changes(batch.changes, entries))
        except OSError as error:
            failure = Failed(error.strerror or str(error))
            _log.error("rdzv tcp server: writes that failed: %d: %s", len(batch), failure.reason)
            for member in batch.ended:
                self._members.postpone(member, self._effects.now() + RETRY_SECONDS)
        else:
            for change in batch.changes:
                self._table.apply(change)
        self._pending.done(batch.touched)
        return failure

    async def _compact(self) -> None:
        records, nonces = self._table.copy_out()
        incarnation, stores, members = self._table.incarnation, self._stores.copy_out(), self._members.copy_out()
        try:
            await self._in_thread(self._log.compact, incarnation, records, nonces, stores, members)
        except OSError as error:
            _log.error(
                "rdzv tcp server: could not compact the log: %s; the old one stays in use", error.strerror or error
            )

    async def _in_thread(self, function: Callable[..., None], *arguments: object) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)


def _size(request: WriteRequest) -> int:
    """Return about how much memory a request takes."""
    match request:
        case Set():
            return len(request.key) + len(request.state)
        case StoreSet():
            return sum(len(key) + len(value) for key, value in request.items.items())
        case StoreCompareSet():
            return len(request.key) + len(request.desired) + len(request.expected or b"")
        case Enter():
            return _MEMBER_BYTES + len(request.run) + len(request.payload)
        case Renew() | Leave():
            return _MEMBER_BYTES + len(getattr(request, "payload", None) or b"")
        case _:
            return len(request.key)
