"""The edge: each operation of the state machine as one blocking call on a backend."""

from __future__ import annotations

import threading
from typing import Any

from rdzv_core.abc import MembersView, RendezvousBackend, SetStateResult, StateSnapshot, Store, Token
from rdzv_core.fallback import membership_of, release, store_of, watch_of
from rdzv_core.handler import io
from rdzv_core.handler.head import Head, decode_head, encode_head
from rdzv_core.handler.roster import PackedRoster
from rdzv_core.handler.shelf import Shelf


class Access:
    """A run's register, memberships and rosters behind one method. Thread-safe; `close` ends whatever waits."""

    def __init__(self, backend: RendezvousBackend) -> None:
        self.backend = backend
        self.members = membership_of(backend)
        self.watch = watch_of(backend)
        self.shelf = Shelf(backend)
        self._stores: list[Store] = []
        self._lock = threading.Lock()

    def perform(self, operation: io.Operation) -> Any:  # noqa: C901 - one line a kind
        """Do it and give its result; raises what the backend raises."""
        match operation:
            case io.ReadHead():
                return self.backend.get_state()
            case io.WaitHead():
                return self.watch.wait_state(operation.token, operation.timeout)
            case io.WriteHead():
                return self._write(operation.head, operation.token, operation.roster)
            case io.FetchRoster():
                return self.shelf.whole(operation.digest)
            case io.FindRank():
                return self.shelf.find(operation.digest, operation.pages, operation.member)
            case io.ReadMembers():
                return self._view(operation.limit)
            case io.WaitMembers():
                return self.members.wait_members(operation.version, operation.timeout)
            case io.Enter():
                return self.members.enter(operation.payload, operation.ttl)
            case io.Update():
                return self.members.update(operation.member, operation.payload)
            case io.Refresh():
                return self.members.refresh(operation.member)
            case io.Leave():
                return self.members.leave(operation.member)
        raise TypeError(f"no operation: {operation!r}")

    def head(self) -> Head | None:
        """Read the head with its roster."""
        snapshot = self.backend.get_state()
        if snapshot is None:
            return None
        head = decode_head(snapshot[0])
        return head.with_roster(self.shelf.whole(head.digest)) if head.digest else head

    def peers(self, held: io.Held) -> list[str]:
        """Give the addresses of a round's nodes by rank; raises `RendezvousStateError` where the store has no more."""
        return [seat.address for seat in held.roster or self.shelf.whole(held.digest)]

    def store(self, epoch: str, generation: int) -> Store:
        """Open the store of a round; it ends with `close`."""
        store = store_of(self.backend, epoch, generation)
        with self._lock:
            self._stores.append(store)
        return store

    def close(self) -> None:
        """Close what was opened here, and the backend."""
        with self._lock:
            stores, self._stores = self._stores, []
        for port in (*stores, self.members, self.watch):
            release(port)
        self.backend.close()

    def _view(self, limit: int | None) -> MembersView:
        return self.members.members() if limit is None else self.members.first(limit)

    def _write(
        self, head: Head, token: Token | None, roster: PackedRoster | None
    ) -> SetStateResult | tuple[bytes, Token, bool] | StateSnapshot | None:
        if roster is not None:
            self.shelf.put(roster)
        return self.backend.set_state(encode_head(head), token)
