"""The registers of a server: a table without I/O and without a clock. Not thread-safe: one thread owns it."""

from __future__ import annotations

import secrets
from collections import deque
from typing import NamedTuple

from rdzv_core import RendezvousStateError
from rdzv_core.envelope import seal, unseal
from rdzv_tcp._wire import Absent, Answer, Corrupt, Delete, Done, Found, Get, Kept, RawGet, RawSet, Set, Value

REMEMBERED_WRITES = 65_536
"""How many of the latest writes are recognised when they come again: about 8 MB."""


class Record(NamedTuple):
    """What a register holds; with a `fault`, `value` is not a state but what could not be read as one."""

    value: bytes
    token: bytes
    fault: str | None = None


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

    def token(self, key: str) -> bytes | None:
        """Give the token of what is there, corrupt or not."""
        record = self._records.get(key)
        return None if record is None else record.token

    def get(self, request: Get) -> Answer:
        """Give what is there."""
        return self.look(request.key)

    def look(self, key: str) -> Answer:
        """Give what is at `key`: `Found`, `Absent` or `Corrupt`."""
        record = self._records.get(key)
        if record is None:
            return Absent()
        return Found(record.value, record.token) if record.fault is None else Corrupt(record.fault)

    def set(self, request: Set) -> Answer:
        """Write if the expected token is the current one; else give what is there."""
        if request.nonce in self._applied:
            return Done()
        record = self._records.get(request.key)
        current = None if record is None else record.token
        if (record is not None and record.fault is not None) or current != request.expected:
            return self.look(request.key)
        self._write(request.key, Record(request.state, request.nonce))
        return Done()

    def delete(self, request: Delete) -> Answer:
        """Delete if the expected token is the current one, or none is expected."""
        if request.nonce in self._applied:
            return Done()
        current = self.token(request.key)
        if current is None or (request.expected is not None and request.expected != current):
            return Kept()
        del self._records[request.key]
        self._remember(request.nonce)
        return Done()

    def raw_get(self, request: RawGet) -> Answer:
        """Give the record as a store would keep it: a state in its envelope, anything else as it is."""
        record = self._records.get(request.key)
        if record is None:
            return Absent()
        return Value(seal(record.value, record.token) if record.fault is None else record.value)

    def raw_set(self, request: RawSet) -> Answer:
        """Put a value there. The token is the request's, not the envelope's: an old value revives no old token."""
        if request.nonce in self._applied:
            return Done()
        try:
            record = Record(unseal(request.value)[0], request.nonce)
        except RendezvousStateError as error:
            record = Record(request.value, request.nonce, str(error))
        self._write(request.key, record)
        return Done()

    def _write(self, key: str, record: Record) -> None:
        self._records[key] = record
        self._remember(record.token)

    def _remember(self, nonce: bytes) -> None:
        self._applied.add(nonce)
        self._applied_in_order.append(nonce)
        if len(self._applied_in_order) > REMEMBERED_WRITES:
            self._applied.discard(self._applied_in_order.popleft())
