"""The backend `memory`."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from rdzv_core._errors import RendezvousConnectionError
from rdzv_core._parameters import RendezvousParameters
from rdzv_core.abc import (
    MemberLease,
    MembersView,
    RendezvousBackend,
    SetStateResult,
    StateSnapshot,
    Store,
    SupportsDelete,
    SupportsListing,
    SupportsMembership,
    SupportsStore,
    SupportsWatch,
    Token,
)
from rdzv_core.memory._hub import MemoryHub, hub_at
from rdzv_core.memory._members import MemberTable
from rdzv_core.memory._registers import is_token
from rdzv_core.memory._store import MemoryStore
from rdzv_core.validation import checked_payload, checked_state, checked_ttl


class MemoryBackend(
    RendezvousBackend, SupportsWatch, SupportsMembership, SupportsStore, SupportsDelete, SupportsListing
):
    """A run in the memory of this process, shared by all backends of one endpoint here, and by no other process.

    `hub` and `key` say where its register is, for tests; members and stores are kept by `run`, siblings share them. It
    cannot cross a fork: in the child every call raises `RendezvousConnectionError`.
    """

    topology: Literal["process", "machine"] = "process"
    """Which parties can share a register, for the conformance suite: the threads of one process."""

    def __init__(self, params: RendezvousParameters, hub: MemoryHub | None = None) -> None:
        self.hub: MemoryHub = hub_at(params.endpoint) if hub is None else hub
        self.key: str = params.key
        self.run: str = params.for_purpose("").key
        self._params = params
        self._closed = False

    @classmethod
    def from_params(cls, params: RendezvousParameters) -> MemoryBackend:
        """Make the backend for `params`; any endpoint is good, and there are no options."""
        return cls(params)

    @property
    def name(self) -> str:
        return "memory"

    def sibling(self, purpose: str) -> MemoryBackend:
        return MemoryBackend(self._params.for_purpose(purpose), self.hub)

    def close(self) -> None:
        if os.getpid() != self.hub.pid:
            return  # a forked child: the lock may be held for ever by a thread that it does not have
        with self.hub.changed:
            self._closed = True
            self.hub.changed.notify_all()

    # The register

    def get_state(self) -> StateSnapshot | None:
        with self.opened():
            return self.hub.registers.get(self.key)

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        state = checked_state(self, state)
        with self.opened() as changed:
            result = self.hub.registers.set(self.key, state, token)
            changed.notify_all()
            return result

    def delete_state(self, token: Token | None = None) -> bool:
        with self.opened() as changed:
            deleted = self.hub.registers.delete(self.key, token)
            changed.notify_all()
            return deleted

    def list_keys(self) -> list[str]:
        with self.opened():
            return list(self.hub.registers.raw)

    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        deadline = time.monotonic() + timeout
        with self.opened():
            while True:
                there = self.hub.registers.get(self.key)
                if there is not None if token is None else there is None or not is_token(token, there):
                    return True, there
                if not self.wait_changed(deadline):
                    return False, there

    # The membership

    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        payload, ttl = checked_payload(payload), checked_ttl(ttl)
        with self._members() as table:
            lease = MemberLease(ttl, table.incarnation, ahead=len(table))
            table.enter(lease.id, payload, ttl, self.hub.now())
            return lease

    def update(self, member: MemberLease, payload: bytes) -> bool:
        return self.write_member(member.id, member.next_sequence(), checked_payload(payload))

    def refresh(self, member: MemberLease) -> bool:
        return self.write_member(member.id, member.next_sequence(), None)

    def write_member(self, member: str, sequence: int, payload: bytes | None) -> bool:
        """Do what `update` (or `refresh`: no payload) does, as the member's write of that sequence number."""
        with self._members() as table:
            return table.write(member, sequence, payload, self.hub.now())

    def leave(self, member: MemberLease) -> None:
        with self._members() as table:
            table.leave(member.id)

    def members(self) -> MembersView:
        with self._members() as table:
            return table.view()

    def first(self, k: int) -> MembersView:
        view = self.members()
        return view._replace(members=view.members[: max(k, 0)])

    def count(self) -> int:
        return len(self.members().members)

    def wait_members(self, version: Token | None, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while True:
            with self._members() as table:
                if table.version != version:
                    return True
                end = table.next_end()
                due = deadline if end is None else min(deadline, time.monotonic() + end - self.hub.now())
                if not self.wait_changed(due) and due >= deadline:
                    return False

    @contextmanager
    def _members(self) -> Iterator[MemberTable]:
        with self.opened() as changed:
            table = self.hub.members[self.run]
            before = table.version
            table.expire(self.hub.now())
            try:
                yield table
            finally:
                if table.version != before:
                    changed.notify_all()

    # The store

    def store(self, prefix: str) -> Store:
        with self.opened():
            return MemoryStore(self, prefix)

    # Used by every call

    @contextmanager
    def opened(self) -> Iterator[threading.Condition]:
        """Hold the hub's lock, if this instance may be used."""
        if os.getpid() != self.hub.pid:
            raise RendezvousConnectionError(
                f"backend 'memory' at {self._params.endpoint!r} belongs to process {self.hub.pid}, of which this is "
                f"the fork {os.getpid()}: memory is of one process; use tcp or file to meet across processes"
            )
        with self.hub.changed:
            self._check_open()
            yield self.hub.changed

    def wait_changed(self, deadline: float) -> bool:
        """Wait, the lock being held, for a change or until `deadline` (`time.monotonic`), then False."""
        left = deadline - time.monotonic()
        # Without a limit where it is longer than a lock can count.
        woken = left > 0 and self.hub.changed.wait(left if left < threading.TIMEOUT_MAX else None)
        self._check_open()
        return woken

    def _check_open(self) -> None:
        if self._closed:
            raise RendezvousConnectionError(f"backend 'memory' at {self._params.endpoint!r} is closed")

    def __repr__(self) -> str:
        return f"<MemoryBackend {self.key} at {self._params.endpoint!r}{' closed' if self._closed else ''}>"
