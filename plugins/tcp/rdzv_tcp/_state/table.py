"""The registers of a server: a table without I/O and without a clock. Not thread-safe: one thread owns it."""

from __future__ import annotations

import heapq
import secrets
from collections import deque
from typing import TypeAlias

import msgspec

from rdzv_core.envelope import seal
from rdzv_tcp._protocol import (
    MAX_NAME_CHARACTERS,
    Absent,
    Answer,
    Corrupt,
    Delete,
    Done,
    Found,
    Get,
    Kept,
    Keys,
    ListKeys,
    RawGet,
    Set,
    Value,
)

REMEMBERED_WRITES = 65_536
"""How many of the latest writes are recognised when they come again: about 8 MB."""


LISTED_AT_ONCE = 1000
"""How many keys one answer has at most."""


class Record(msgspec.Struct, frozen=True, gc=False):  # one for each write: a NamedTuple takes three times as long
    """What a register holds; with a `fault`, `value` is not a state but what could not be read as one."""

    value: bytes
    token: bytes
    fault: str | None = None


class RegisterChange(msgspec.Struct, frozen=True, gc=False):
    """What one request did: `record` is what `key` holds now, None if it was deleted."""

    key: str
    record: Record | None
    nonce: bytes


RegisterWrite: TypeAlias = Set | Delete


class Table:
    """Registers by key. Every write and deletion carries a nonce and takes effect at most once.

    The nonce becomes the register's token, so no token comes twice, whatever is written, deleted or created again.
    The table remembers the latest nonces: a client that lost the answer sends the same request again and learns
    that it was done. `incarnation` is new with every table: what an earlier one remembered is gone.
    """

    def __init__(self) -> None:
        self.incarnation = secrets.token_bytes(16)
        self._records: dict[str, Record] = {}
        self._applied: set[bytes] = set()
        self._applied_in_order: deque[bytes] = deque()

    def __len__(self) -> int:
        return len(self._records)

    @property
    def remembered(self) -> int:
        """How many writes it recognises if they come again."""
        return len(self._applied)

    def token(self, key: str) -> bytes | None:
        """Return the token of what is there, corrupt or not."""
        record = self.record(key)
        return None if record is None else record.token

    def get(self, request: Get) -> Answer:
        """Return what is there."""
        return self.look(request.key)

    def look(self, key: str) -> Answer:
        """Return what is at `key`: `Found`, `Absent` or `Corrupt`."""
        record = self.record(key)
        if record is None:
            return Absent()
        return Found(record.value, record.token) if record.fault is None else Corrupt(record.fault)

    def list_keys(self, request: ListKeys) -> Answer:
        """Return the next keys in order, but for those of a length that no run has: so that they fit a frame."""
        names = (key for key in self._records if key > request.after and len(key) <= MAX_NAME_CHARACTERS)
        return Keys(heapq.nsmallest(LISTED_AT_ONCE, names))

    def write(self, request: RegisterWrite) -> Answer:
        """Do what a request asks for, at most once."""
        if isinstance(request, Set):
            return self.set(request)
        return self.delete(request)

    def set(self, request: Set) -> Answer:
        """Write if the expected token is the current one; else give what is there."""
        if self._is_applied(request.nonce):
            return Done()
        record = self.record(request.key)
        current = None if record is None else record.token
        if (record is not None and record.fault is not None) or current != request.expected:
            return self.look(request.key)
        self.apply(RegisterChange(request.key, Record(request.state, request.nonce), request.nonce))
        return Done()

    def delete(self, request: Delete) -> Answer:
        """Delete if the expected token is the current one, or none is expected."""
        if self._is_applied(request.nonce):
            return Done()
        current = self.token(request.key)
        if current is None or (request.expected is not None and request.expected != current):
            return Kept()
        self.apply(RegisterChange(request.key, None, request.nonce))
        return Done()

    def raw_get(self, request: RawGet) -> Answer:
        """Return the record as a store would keep it: a state in its envelope, anything else as it is."""
        record = self.record(request.key)
        if record is None:
            return Absent()
        return Value(seal(record.value, record.token) if record.fault is None else record.value)

    def apply(self, change: RegisterChange) -> None:
        """Make a change, whatever was there, and remember its nonce."""
        if change.record is None:
            self._records.pop(change.key, None)
        else:
            self._records[change.key] = change.record
        self.remember(change.nonce)

    def restore(self, incarnation: bytes, records: dict[str, Record]) -> None:
        """Become what another table was, without a memory of its writes: `remember` those in their order."""
        self.incarnation, self._records = incarnation, records
        self._applied.clear()
        self._applied_in_order.clear()

    def copy_out(self) -> tuple[dict[str, Record], list[bytes]]:
        """Return a copy of the records, and the remembered nonces in their order."""
        return dict(self._records), list(self._applied_in_order)

    def record(self, key: str) -> Record | None:
        """Return what `key` holds, corrupt or not."""
        return self._records.get(key)

    def _is_applied(self, nonce: bytes) -> bool:
        return nonce in self._applied

    def remember(self, nonce: bytes) -> None:
        """Recognise a write if it comes again."""
        self._applied.add(nonce)
        self._applied_in_order.append(nonce)
        if len(self._applied_in_order) > REMEMBERED_WRITES:
            self._applied.discard(self._applied_in_order.popleft())


class Draft(Table):
    """What a table would be after requests whose effect is not certain yet; the table itself stays as it is.

    `changes`, applied to the table in order, make it what the draft is.
    """

    def __init__(self, base: Table) -> None:
        super().__init__()
        self._base = base
        self._touched: set[str] = set()
        self.changes: list[RegisterChange] = []

    def apply(self, change: RegisterChange) -> None:
        super().apply(change)
        self._touched.add(change.key)
        self.changes.append(change)

    def record(self, key: str) -> Record | None:
        return super().record(key) if key in self._touched else self._base.record(key)

    def _is_applied(self, nonce: bytes) -> bool:
        return super()._is_applied(nonce) or self._base._is_applied(nonce)
