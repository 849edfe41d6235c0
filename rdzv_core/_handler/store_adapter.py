"""The edge: each operation of the state machine as one call on a backend."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import Any

from rdzv_core._fallback import membership_of, release, siblings_of, store_of, watch_of
from rdzv_core._handler import operations
from rdzv_core._handler.async_call import AsyncCall
from rdzv_core._handler.head import Head, decode_head, encode_head
from rdzv_core._handler.roster_store import RosterStore
from rdzv_core.abc import OnDone, RendezvousBackend, Store, SupportsSubmit


class StoreAdapter:
    """A run's register, memberships and rosters, by operation. Thread-safe; `close` ends whatever waits."""

    def __init__(self, backend: RendezvousBackend) -> None:
        self.backend = backend
        self.members = membership_of(backend)
        self.watch = watch_of(backend)
        self.rosters = RosterStore(backend)
        self._for_stores = siblings_of(backend, "the store of rounds")
        self._lock = threading.Lock()
        self._ending = ExitStack()  # the last one first
        self._ending.callback(backend.close)
        self._ending.callback(release, self.members)
        self._ending.callback(release, self.watch)
        self._ending.callback(self._for_stores.close)

    def perform(self, operation: operations.Operation) -> Any:
        """Do it, which may take a while, and return its result; raises what the backend raises."""
        if isinstance(operation, operations.WriteHead):
            if operation.roster is not None:
                self.rosters.put(operation.roster)
            return self.backend.set_state(encode_head(operation.head), operation.token)
        call = self._call(operation)
        return call.read(getattr(call.target, call.method)(*call.arguments))

    def begin(self, operation: operations.Operation, done: OnDone) -> bool:
        """Begin it where the backend can submit it, and have `done` called from another thread; else return False."""
        if isinstance(operation, operations.WriteHead):
            return False
        call = self._call(operation)
        if not isinstance(call.target, SupportsSubmit) or call.method not in call.target.submittable:
            return False
        call.target.submit(call.method, call.arguments, call.reading(done))
        return True

    def _call(self, operation: operations.Operation) -> AsyncCall:  # noqa: C901 - one line a kind
        match operation:
            case operations.ReadHead():
                return AsyncCall(self.backend, "get_state")
            case operations.WaitHead():
                return AsyncCall(self.watch, "wait_state", operation.token, operation.timeout)
            case operations.FetchRoster():
                return AsyncCall(self.rosters, "whole", operation.digest)
            case operations.FindRank():
                return self.rosters.looking_up(operation.digest, operation.pages, operation.member)
            case operations.ReadMembers() if operation.limit is None:
                return AsyncCall(self.members, "members")
            case operations.ReadMembers():
                return AsyncCall(self.members, "first", operation.limit)
            case operations.WaitMembers():
                return AsyncCall(self.members, "wait_members", operation.version, operation.timeout)
            case operations.Enter():
                return AsyncCall(self.members, "enter", operation.payload, operation.ttl)
            case operations.Update():
                return AsyncCall(self.members, "update", operation.member, operation.payload)
            case operations.Refresh():
                return AsyncCall(self.members, "refresh", operation.member)
            case operations.Leave():
                return AsyncCall(self.members, "leave", operation.member)
        raise TypeError(f"not an operation: {operation!r}")

    def head(self) -> Head | None:
        """Read the head with its roster."""
        snapshot = self.backend.get_state()
        if snapshot is None:
            return None
        head = decode_head(snapshot[0])
        return head.with_roster(self.rosters.whole(head.digest)) if head.digest else head

    def is_closed(self) -> bool:
        """Read whether the run is closed."""
        head = self.head()
        return head is not None and head.closed

    def peers(self, held: operations.Assignment) -> list[str]:
        """Return the addresses of a round's nodes by rank; raises `RendezvousStateError` if the store dropped them."""
        return [seat.address for seat in held.roster or self.rosters.whole(held.digest)]

    def store(self, epoch: str, generation: int) -> Store:
        """Open the store of a round; it ends with `close`, and after that this is a `RendezvousConnectionError`."""
        self._for_stores.life.check()
        return store_of(self.backend, epoch, generation, self._for_stores)

    def close(self) -> None:
        """Close what was opened here, and the backend: all of it, even if closing one raises. Idempotent."""
        with self._lock:
            ending = self._ending.pop_all()
        ending.close()
