"""A register: one key of etcd, written by transactions that compare what is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from rdzv_core import RendezvousConnectionError, SetStateResult, StateSnapshot, Token
from rdzv_core.envelope import seal
from rdzv_etcd._client import messages
from rdzv_etcd._client.client import EtcdClient
from rdzv_etcd._client.errors import UnknownOutcomeError
from rdzv_etcd._client.subscriptions import Span
from rdzv_etcd._record import Record, Version, if_still, is_token_of, new_nonce, read_record
from rdzv_etcd._waiting import RESOLVE_SECONDS, Waiter, Watched


class Observed(NamedTuple):
    """What a read found: the register's record, None if there is none, as of the store's revision."""

    record: Record | None
    store_revision: int


class Register:
    """Reads, writes and watches one key, as part of the range `within` if given. Thread-safe.

    `keep` is called with the lease of whatever is read.
    """

    def __init__(
        self,
        client: EtcdClient,
        key: bytes,
        waiter: Waiter,
        within: Span | None = None,
        keep: Callable[[int], None] | None = None,
    ) -> None:
        self._client = client
        self._within = within
        self._key = key
        self._waiter = waiter
        # The last whole record that was seen, so that a get followed by a set costs one request each. Only a hint:
        # the transaction compares it with what is there.
        self._seen: Version | None = None
        # What the last look has found, and what to watch from there on: a wait that goes on from it looks no more.
        self._looked: tuple[StateSnapshot | None, Watched] | None = None
        self._keep = keep
        self._lease = 0

    def read(self, deadline: float | None = None) -> Observed:
        """Return what is there; a linearizable read of one request."""
        began = time.monotonic()
        result = self._client.read(self._key, self._deadline() if deadline is None else deadline)
        record = self._record(result.found)
        self._note(record, result.revision, began)
        return Observed(record, result.revision)

    def get(self) -> StateSnapshot | None:
        """Return the state and its token."""
        record = self.read().record
        return record and record.snapshot

    def write(self, state: bytes, token: Token | None, lease: int = 0) -> SetStateResult | None:
        """Write `state` if the state there has `token` (None: if there is none); under `lease` unless that is 0.

        Takes one request if that state was seen last.
        """
        if token is not None:
            return self._replace(state, token, lease)
        result = self._put(state, new_nonce(), None, lease, self._deadline())
        return result if isinstance(result, SetStateResult) else result and result.refusal

    def _replace(self, state: bytes, token: Token, lease: int) -> SetStateResult | None:
        deadline = self._deadline()
        seen = self._seen
        if seen is None or not is_token_of(token, seen.nonce):
            record = self.read(deadline).record
            if record is None or not is_token_of(token, record.version.nonce):
                return record and record.refusal
            seen = record.version
        nonce = new_nonce()
        while True:
            result = self._put(state, nonce, seen, lease, deadline)
            if isinstance(result, SetStateResult):
                return result
            if result is None or not is_token_of(token, result.version.nonce):
                return result and result.refusal
            # The token's very record, at another revision than remembered: written back by hand, or restored.
            seen = result.version

    def delete(self, token: Token | None) -> bool:
        """Delete the key if its state has `token` (None: whatever its value); a lost answer is raised as unknown."""
        if token is None:
            return self._client.delete_if(self._key, messages.if_present(self._key))
        deadline = self._deadline()
        record = self.read(deadline).record
        if record is None or not is_token_of(token, record.version.nonce):
            return False
        return self._client.delete_if(self._key, if_still(self._key, record.version), deadline)

    def wait(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        """Wait until the state's token differs from `token`; a lost watch is taken up again for up to 10 s."""
        looked = self._looked
        known = looked if looked is not None and _has_token(looked[0], token) else None
        changed, found = self._waiter.wait(self._look, lambda found: not _has_token(found, token), timeout, known)
        if self._keep is not None:  # there may have been no read
            self._keep(self._lease)
        return changed, found

    def _look(self) -> tuple[StateSnapshot | None, Watched]:
        record, store_revision = self.read()
        return record and record.snapshot, self._watched(record, store_revision)

    def _watched(self, record: Record | None, store_revision: int, looked_at: float | None = None) -> Watched:
        extent = messages.Extent(0, 0) if record is None else messages.Extent(record.version.revision, 1)
        return Watched(Span(self._key), store_revision + 1, extent, self._within, looked_at)

    def _note(self, record: Record | None, store_revision: int, began: float) -> None:
        self._looked = (record and record.snapshot, self._watched(record, store_revision, began))

    def _record(self, found: messages.KeyValue | None) -> Record | None:
        if found is None:
            self._lease = 0
            return None
        record = read_record(self._key, found)
        self._seen = record.version
        self._lease = found.lease
        if self._keep is not None:
            self._keep(found.lease)
        return record

    def _put(
        self, state: bytes, nonce: bytes, seen: Version | None, lease: int, deadline: float
    ) -> SetStateResult | Record | None:
        """Try to write over the record `seen` (None: where there is none).

        Returns the result of a success, else the record that was in the way (None: there is none).
        """
        try:
            there = self._try_to_put(state, nonce, seen, lease, deadline)
        except UnknownOutcomeError as lost:
            return self._resolve(state, nonce, seen, lease, deadline, lost)
        if there is not None and there.version.nonce == nonce:
            return SetStateResult(state, nonce, True)
        return there

    def _try_to_put(
        self, state: bytes, nonce: bytes, seen: Version | None, lease: int, deadline: float
    ) -> Record | None:
        """Send the write and return the record there after it: its own if it succeeded, now or when sent before."""
        compare = messages.if_absent(self._key) if seen is None else if_still(self._key, seen)
        sealed, resumable, began = seal(state, nonce), seen is not None, time.monotonic()
        result = self._client.put_if(self._key, sealed, compare, deadline, resumable=resumable, lease=lease)
        if result.succeeded:
            record = Record(state, Version(nonce, result.revision))
            self._seen = record.version
            self._note(record, result.revision, began)
            return record
        return self._record(result.found)

    def _resolve(
        self,
        state: bytes,
        nonce: bytes,
        seen: Version | None,
        lease: int,
        deadline: float,
        lost: UnknownOutcomeError,
    ) -> SetStateResult:
        """Find out whether a write whose answer was lost took effect; only finding it there settles that.

        While the record that it was to replace is still there, at the same revision, it is sent again: once either
        has taken effect there is another revision, and the other one is refused for ever. If something else is there
        it may have been overwritten. One that was to create the record may yet arrive, even after a deletion.
        """
        until = min(deadline, time.monotonic() + RESOLVE_SECONDS)
        while True:
            try:
                record = self.read(until).record
                if record is not None and seen == record.version:
                    record = self._try_to_put(state, nonce, seen, lease, until)
            except RendezvousConnectionError:
                if time.monotonic() >= until or self._waiter.pause():
                    raise lost from lost.__cause__
                continue
            if record is None or record.version.nonce != nonce:
                raise lost
            return SetStateResult(state, nonce, True)

    def _deadline(self) -> float:
        return time.monotonic() + self._client.timeout


def _has_token(snapshot: StateSnapshot | None, token: Token | None) -> bool:
    """Return whether `token` is that of the snapshot, or None where there is none; whatever it says itself of that."""
    return token is None if snapshot is None else token is not None and is_token_of(token, snapshot.token)
