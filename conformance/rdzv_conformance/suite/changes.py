"""What others wait for: the changes of one run, made by an instance of its own, in this process or in another one."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.register import Register
from rdzv_core import MemberLease, MembersView, Store, SupportsMembership, SupportsStore

TTL = 600.0
PREFIX = "changes"


class Changes:
    """Makes them on the register, on the one member that it lets enter, and on the store `PREFIX` of a run."""

    def __init__(self, under_test: BackendUnderTest, run_id: str) -> None:
        self._under_test = under_test
        self._register = under_test.open(run_id)
        self._lease: MemberLease | None = None

    def write(self, state: bytes, token: Any) -> None:
        """Write the register."""
        self._register.write(state, token)

    def write_to_sibling(self, state: bytes, token: Any) -> None:
        """Write the register of the sibling `PREFIX`."""
        self._sibling.write(state, token)

    def delete(self, token: Any = None) -> None:
        """Delete the register."""
        self._register.delete_state(token)

    def enter(self) -> None:
        """Let a member enter."""
        self._lease = self._members.enter(b"", TTL)

    def update(self, payload: bytes) -> None:
        """Replace its payload."""
        if self._lease is not None:
            self._members.update(self._lease, payload)

    def leave(self) -> None:
        """End its membership."""
        if self._lease is not None:
            self._members.leave(self._lease)

    def view(self) -> MembersView:
        """Return who is there."""
        return self._members.members()

    def set(self, key: str) -> None:
        """Set a key."""
        self._store.set(key, b"1")

    def delete_key(self, key: str) -> None:
        """Delete a key."""
        self._store.delete_key(key)

    def multi_set(self, key: str) -> None:
        """Set a key among several."""
        self._store.multi_set({f"{key} and": b"2", key: b"1"})

    def compare_set(self, key: str) -> None:
        """Create a key."""
        self._store.compare_set(key, None, b"1")

    def add(self, key: str) -> None:
        """Count with a key that is not there yet."""
        self._store.add(key, 1)

    @cached_property
    def _sibling(self) -> Register:
        return self._register.sibling(PREFIX)

    @cached_property
    def _members(self) -> SupportsMembership:
        return self._under_test.needs(SupportsMembership, self._register)

    @cached_property
    def _store(self) -> Store:
        return self._under_test.needs(SupportsStore, self._register).store(PREFIX)
