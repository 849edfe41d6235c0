"""Writes that have to reach the disk before they are answered, several at a time. Runs on the server's loop."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from rdzv_tcp._protocol import (
    Answer,
    Delete,
    Enter,
    Failed,
    Leave,
    RawSet,
    Renew,
    Set,
    StoreCompareSet,
    StoreSet,
    encode,
)
from rdzv_tcp._state.stores import StoreWrite
from rdzv_tcp._state.table import Draft, RegisterChange, RegisterWrite
from rdzv_tcp._wal.format import MembersEnded, MembershipEntry, StoreEntry, encode_changes
from rdzv_tcp._wal.log import Log

if TYPE_CHECKING:
    from rdzv_tcp._server.connection import Peer
    from rdzv_tcp._server.desk import MemberWrite
    from rdzv_tcp._server.hub import Hub

BATCH_BYTES = 8 * 1024 * 1024

AGAIN_SECONDS = 1.0
"""How long after a failed write somebody is to be ended again whose end could not be written down."""

_MEMBER_BYTES = 64

_log = logging.getLogger("rdzv_tcp")


class _Submitted(NamedTuple):
    peer: Peer
    request_id: int
    request: RegisterWrite | StoreWrite | MemberWrite
    size: int


class _RunOut(NamedTuple):
    """Members whose time was over when this was submitted."""

    members: list[bytes]


class _Batch(NamedTuple):
    """Changes of registers with what is answered then; and other requests, whose answers come of doing them.

    `over` are the members who end, and `touched` those of whom the batch speaks, once for each time.
    """

    changes: list[RegisterChange]
    answers: list[tuple[_Submitted, Answer]]
    asked: list[tuple[_Submitted, StoreEntry | MembershipEntry]]
    over: list[bytes]
    touched: list[bytes]


class GroupCommit:
    """Decides writes in batches: first into the journal, on a thread of its own, then into memory, then the answers.

    Reads go on meanwhile and see what is in memory, that is what is on the disk and nothing else. While one batch is
    written the next one gathers, so that under load one fsync serves many writes. A batch that cannot be written
    changes nothing, and each of its writers is told so.

    A membership is renewed in memory alone. But what comes of a member of whom something is on its way to the disk
    goes the same way, so that the log holds it in the order in which it was done.
    """

    def __init__(self, hub: Hub, journal: Log) -> None:
        self._hub = hub
        self._journal = journal
        self._queue: deque[_Submitted | _RunOut] = deque()
        self._concerned: Counter[bytes] = Counter()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rdzv-tcp-journal")
        self._task: asyncio.Task[None] | None = None

    def submit(self, peer: Peer, request_id: int, request: RegisterWrite | StoreWrite | MemberWrite) -> None:
        """Do `request` with the next batch, and answer it then."""
        size = _size(request)
        peer.hold(size)
        if isinstance(request, (Enter, Renew, Leave)):
            self._concerned[request.member] += 1
        self._put(_Submitted(peer, request_id, request, size))

    def end(self, members: list[bytes]) -> None:
        """End those of `members`, whose time is over, who are still there, and not renewed, when it is their turn."""
        self._concerned.update(members)
        self._put(_RunOut(members))

    def concerns(self, member: bytes) -> bool:
        """Say whether something about `member` is on its way to the disk."""
        return member in self._concerned

    def _put(self, one: _Submitted | _RunOut) -> None:
        self._queue.append(one)
        if self._task is None:
            # A task begins when what is ready now has been read: so the first batch takes all of that.
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def close(self) -> None:
        """Finish what was submitted, then end the thread and close the journal."""
        while self._task is not None:
            await asyncio.wait([self._task])
        self._thread.shutdown()
        self._journal.close()

    async def _work(self) -> None:
        try:
            while self._queue:
                await self._commit(self._decide())
                if self._journal.wants_compaction:
                    await self._compact()
        finally:
            self._task = None

    def _decide(self) -> _Batch:
        draft, stores = Draft(self._hub.table), self._hub.desk.stores
        batch = _Batch(draft.changes, [], [], [], [])
        size = 0
        while self._queue and size < BATCH_BYTES:
            submitted = self._queue.popleft()
            if isinstance(submitted, _RunOut):
                self._decide_ends(submitted.members, batch)
                continue
            size += submitted.size
            request = submitted.request
            if isinstance(request, (Set, Delete, RawSet)):
                batch.answers.append((submitted, draft.write(request)))
            elif isinstance(request, (Enter, Renew, Leave)):
                batch.touched.append(request.member)
                batch.asked.append((submitted, MembershipEntry(request)))
            else:
                batch.asked.append((submitted, StoreEntry(request, stores.displaces(request))))
                if stores.makes_store(request):
                    break  # which store the next one displaces, if any, is only known when this one is there
        return batch

    def _decide_ends(self, members: list[bytes], batch: _Batch) -> None:
        now = self._hub.desk.reaper.now()
        for member in members:
            batch.touched.append(member)
            # Who has asked for something since is there: it came before the end.
            if self._hub.desk.members.is_due(member, now) and self._concerned[member] == 1:
                batch.over.append(member)
            else:
                self._hub.desk.members.postpone(member, now)

    async def _commit(self, batch: _Batch) -> None:
        failure = await self._write(batch)
        for submitted, answer in batch.answers:
            submitted.peer.release(submitted.request_id, encode(failure or answer), submitted.size)
        changed = self._hub.desk.members.end(batch.over) if failure is None else set()
        for submitted, asked in batch.asked:
            if failure is not None:
                submitted.peer.release(submitted.request_id, encode(failure), submitted.size)
            elif isinstance(asked, MembershipEntry):
                answer, run = self._hub.desk.do(submitted.peer, asked.request)
                submitted.peer.release(submitted.request_id, encode(answer), submitted.size)
                changed.update(() if run is None else (run,))
            else:
                outcome = self._hub.desk.stores.change(asked.request, asked.displaced)
                submitted.peer.release(submitted.request_id, encode(outcome.answer), submitted.size)
                self._hub.desk.store_changed(asked.request, outcome, submitted.peer)
        if failure is None:
            for key in dict.fromkeys(change.key for change in batch.changes):
                self._hub.changed(key)
        self._hub.desk.changed_runs(changed)
        self._hub.desk.reaper.arm()

    async def _write(self, batch: _Batch) -> Failed | None:
        """Have a batch on disk, and its registers in memory; gives why it is not."""
        failure: Failed | None = None
        entries: list[StoreEntry | MembershipEntry | MembersEnded] = [asked for _, asked in batch.asked]
        if batch.over:
            entries.insert(0, MembersEnded(b"".join(batch.over)))
        try:
            if batch.changes or entries:
                await self._in_thread(self._journal.append, encode_changes(batch.changes, entries))
        except OSError as error:
            failure = Failed(error.strerror or str(error))
            writes = len(batch.answers) + len(batch.asked) + len(batch.over)
            _log.error("rdzv tcp server: %d writes failed: %s", writes, failure.reason)
            for member in batch.over:
                self._hub.desk.members.postpone(member, self._hub.desk.reaper.now() + AGAIN_SECONDS)
        else:
            for change in batch.changes:
                self._hub.table.apply(change)
        self._concerned -= Counter(batch.touched)
        return failure

    async def _compact(self) -> None:
        table = self._hub.table
        try:
            await self._in_thread(
                self._journal.compact,
                table.incarnation,
                *table.copy_out(),
                self._hub.desk.stores.copy_out(),
                self._hub.desk.members.copy_out(),
            )
        except OSError as error:
            _log.error(
                "rdzv tcp server: could not write the log anew: %s; the old one is used on", error.strerror or error
            )

    async def _in_thread(self, function: object, *arguments: object) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)  # type: ignore[arg-type]


def _size(request: RegisterWrite | StoreWrite | MemberWrite) -> int:
    """Give about how much memory a request takes."""
    match request:
        case Set():
            return len(request.key) + len(request.state)
        case RawSet():
            return len(request.key) + len(request.value)
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
