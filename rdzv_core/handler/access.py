"""The edge: each operation of the state machine as one blocking call on a backend."""

from __future__ import annotations

import threading
from typing import Any

from rdzv_core._errors import RendezvousStateError
from rdzv_core.abc import MembersView, RendezvousBackend, SetStateResult, StateSnapshot, Store, SupportsDelete, Token
from rdzv_core.fallback import membership_of, release, store_of, watch_of
from rdzv_core.handler import io
from rdzv_core.handler.head import Head, Seat, decode_head, encode_head, unpack_roster


class Access:
    """A run's register, memberships and rosters behind one method. Thread-safe; `close` ends whatever waits."""

    def __init__(self, backend: RendezvousBackend) -> None:
        self.backend = backend
        self.members = membership_of(backend)
        self.watch = watch_of(backend)
        self._stores: list[Store] = []
        self._written: list[str] = []
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
                return self.roster(operation.digest)
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
        return head.with_roster(self.roster(head.digest)) if head.digest else head

    def roster(self, digest: str) -> tuple[Seat, ...]:
        """Fetch a roster by name; raises `RendezvousStateError` if it is not there."""
        register = self.backend.sibling(f"roster.{digest}")
        try:
            snapshot = register.get_state()
        finally:
            register.close()
        if snapshot is None:
            raise RendezvousStateError(f"the roster {digest} that the run's register names is not in the store")
        return unpack_roster(digest, snapshot[0])

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
        self, head: Head, token: Token | None, roster: tuple[str, bytes] | None
    ) -> SetStateResult | tuple[bytes, Token, bool] | StateSnapshot | None:
        if roster is not None:
            self._put_roster(*roster)
        return self.backend.set_state(encode_head(head), token)

    def _put_roster(self, digest: str, value: bytes) -> None:
        """Write a roster's value before the head names it; where the store can delete, all but the last two go."""
        register = self.backend.sibling(f"roster.{digest}")
        try:
            register.set_state(value)
        finally:
            register.close()
        with self._lock:
            self._written.append(digest)
            outdated, self._written = self._written[:-2], self._written[-2:]
        for old in outdated:
            sibling = self.backend.sibling(f"roster.{old}")
            try:
                if isinstance(sibling, SupportsDelete):
                    sibling.delete_state()
            finally:
                sibling.close()
