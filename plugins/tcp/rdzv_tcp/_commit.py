"""Writes that have to reach the disk before they are answered, several at a time. Runs on the server's loop."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from rdzv_tcp._journal import Journal
from rdzv_tcp._log_format import Asked, encode_changes
from rdzv_tcp._server_messages import Failed
from rdzv_tcp._store_messages import StoreCompareSet, StoreSet
from rdzv_tcp._stores import Change as StoreChange
from rdzv_tcp._table import Change, Draft, WriteRequest
from rdzv_tcp._wire import Answer, Delete, RawSet, Set, encode

if TYPE_CHECKING:
    from rdzv_tcp._hub import Hub
    from rdzv_tcp._peer import Peer

BATCH_BYTES = 8 * 1024 * 1024

_log = logging.getLogger("rdzv_tcp")


class _Submitted(NamedTuple):
    peer: Peer
    request_id: int
    request: WriteRequest | StoreChange
    size: int


class _Batch(NamedTuple):
    """Changes of registers with what is answered then; and writes to stores, whose answers come of doing them."""

    changes: list[Change]
    answers: list[tuple[_Submitted, Answer]]
    asked: list[tuple[_Submitted, Asked]]


class Committer:
    """Decides writes in batches: first into the journal, on a thread of its own, then into the table, then the answers.

    Reads go on meanwhile and see the table, that is what is on the disk and nothing else. While one batch is written
    the next one gathers, so that under load one fsync serves many writes. A batch that can not be written changes
    nothing, and each of its writers is told so.
    """

    def __init__(self, hub: Hub, journal: Journal) -> None:
        self._hub = hub
        self._journal = journal
        self._queue: deque[_Submitted] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rdzv-tcp-journal")
        self._task: asyncio.Task[None] | None = None

    def submit(self, peer: Peer, request_id: int, request: WriteRequest | StoreChange) -> None:
        """Do `request` with the next batch, and answer it then."""
        size = _size(request)
        peer.hold(size)
        self._queue.append(_Submitted(peer, request_id, request, size))
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
        batch = _Batch(draft.changes, [], [])
        size = 0
        while self._queue and size < BATCH_BYTES:
            submitted = self._queue.popleft()
            size += submitted.size
            request = submitted.request
            if isinstance(request, (Set, Delete, RawSet)):
                batch.answers.append((submitted, draft.write(request)))
                continue
            batch.asked.append((submitted, Asked(request, stores.displaces(request))))
            if stores.makes_store(request):
                break  # which store the next one displaces, if any, is only known when this one is there
        return batch

    async def _commit(self, batch: _Batch) -> None:
        failure: Failed | None = None
        if batch.changes or batch.asked:
            frame = encode_changes(batch.changes, [asked for _, asked in batch.asked])
            try:
                await self._in_thread(self._journal.append, frame)
            except OSError as error:
                failure = Failed(error.strerror or str(error))
                _log.error(
                    "rdzv tcp server: %d writes failed: %s", len(batch.answers) + len(batch.asked), failure.reason
                )
            else:
                for change in batch.changes:
                    self._hub.table.apply(change)
        for submitted, answer in batch.answers:
            submitted.peer.release(submitted.request_id, encode(failure or answer), submitted.size)
        for submitted, asked in batch.asked:
            if failure is not None:
                submitted.peer.release(submitted.request_id, encode(failure), submitted.size)
                continue
            outcome = self._hub.desk.stores.change(asked.request, asked.displaced)
            submitted.peer.release(submitted.request_id, encode(outcome.answer), submitted.size)
            self._hub.desk.store_changed(asked.request, outcome, submitted.peer)
        if failure is None:
            for key in dict.fromkeys(change.key for change in batch.changes):
                self._hub.changed(key)

    async def _compact(self) -> None:
        table = self._hub.table
        try:
            await self._in_thread(
                self._journal.compact, table.incarnation, *table.copy_out(), self._hub.desk.stores.copy_out()
            )
        except OSError as error:
            _log.error(
                "rdzv tcp server: could not write the log anew: %s; the old one is used on", error.strerror or error
            )

    async def _in_thread(self, function: object, *arguments: object) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)  # type: ignore[arg-type]


def _size(request: WriteRequest | StoreChange) -> int:
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
        case _:
            return len(request.key)
