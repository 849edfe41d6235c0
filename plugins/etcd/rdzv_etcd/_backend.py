"""The register: one key of etcd, written by transactions that compare what is there."""

from __future__ import annotations

import secrets
import threading
import time
from typing import NamedTuple

from rdzv_core import (
    RendezvousBackend,
    RendezvousConnectionError,
    RendezvousParameters,
    RendezvousStateError,
    SetStateResult,
    StateSnapshot,
    SupportsDelete,
    SupportsListing,
    SupportsWatch,
    Token,
)
from rdzv_core.addresses import usable_by_peers
from rdzv_core.envelope import NONCE_BYTES, seal, unseal
from rdzv_etcd import _kv
from rdzv_etcd._client import EtcdClient
from rdzv_etcd._errors import UnknownOutcomeError
from rdzv_etcd._options import KEY_PREFIX, READ_TIMEOUT, gateway_of
from rdzv_etcd._pauses import retry_pauses

MAX_STATE_BYTES = 1024 * 1024
"""etcd refuses requests over 1.5 MiB unless configured otherwise."""

RESOLVE_SECONDS = 10.0
"""How long a lost answer is looked into, and a lost watch tried again: an election or a quick restart takes less."""


class _Record(NamedTuple):
    state: bytes
    nonce: bytes
    revision: int

    def snapshot(self) -> StateSnapshot:
        return StateSnapshot(self.state, self.nonce)


class _Look(NamedTuple):
    record: _Record | None
    store_revision: int


class EtcdBackend(RendezvousBackend, SupportsWatch, SupportsDelete, SupportsListing):
    """A run's register under one key of etcd; its token is the nonce of the write.

    Thread-safe, and usable in a forked child. Reads are linearizable. A write whose answer was lost is looked up by
    its nonce for up to 10 s of its `read_timeout`. One that replaces a state is sent again while that very record is
    still there, since the comparison lets it take effect once at most; else it is raised as unknown.
    """

    max_state_bytes = MAX_STATE_BYTES
    durable = True

    def __init__(self, client: EtcdClient, params: RendezvousParameters) -> None:
        self._client = client
        self._params = params
        self._prefix = KEY_PREFIX.of(params).encode("utf-8")
        self._key = self._prefix + params.key.encode("utf-8")
        self._closing = threading.Event()
        # The last whole record that was seen, so that a get followed by a set costs one request each. Only a hint:
        # the transaction compares it with what is there.
        self._seen: tuple[bytes, int] | None = None

    @classmethod
    def connect(cls, params: RendezvousParameters) -> EtcdBackend:
        """Make a backend and see that etcd answers; raises `ValueError` or `RendezvousConnectionError`."""
        backend = cls(EtcdClient(gateway_of(params), READ_TIMEOUT.of(params)), params)
        try:
            backend._client.read(backend._key)
        except BaseException:
            backend.close()
            raise
        return backend

    @property
    def name(self) -> str:
        """Always "etcd"."""
        return "etcd"

    @property
    def secure(self) -> bool:  # type: ignore[override] # of this instance, and known only when etcd was asked
        """Whether etcd is spoken to over TLS, and it asks who this is: with a user and password, or a certificate."""
        return self._client.guarded

    def local_address(self) -> str | None:
        """Return this end's address of the connection to etcd that was made last."""
        return usable_by_peers(self._client.local_host)

    def get_state(self) -> StateSnapshot | None:
        """Give the state and its token, read linearizably in one request."""
        record = self._look(self._deadline()).record
        return None if record is None else record.snapshot()

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        """Write `state` if the register is still what `token` says; one request if this instance saw it just now."""
        if len(state) > self.max_state_bytes:
            raise ValueError(
                f"the state has {len(state)} bytes, backend 'etcd' takes {self.max_state_bytes} at most: nothing sent"
            )
        return self._create(state) if token is None else self._update(state, token)

    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        """Wait for a change over etcd's own watch; a lost watch is taken up again for up to 10 s.

        While the watch is silent the register's revision is read about once a second (with one endpoint: every 5 s),
        so a member of the cluster that fell silent holds up no wake-up for longer than some 2 s.
        """
        end = time.monotonic() + timeout
        losing_since: float | None = None
        pauses = retry_pauses()
        while True:
            look = self._look_patiently(end)
            snapshot = None if look.record is None else look.record.snapshot()
            if _differs(snapshot, token):
                return True, snapshot
            started = time.monotonic()
            if started >= end:
                return False, snapshot
            stint_end = min(end, started + self._client.timeout)
            try:
                known = 0 if look.record is None else look.record.revision
                self._client.wait_change(self._key, look.store_revision + 1, stint_end, known)
                losing_since = None
            except RendezvousConnectionError:
                now = time.monotonic()
                if losing_since is None or now - started > RESOLVE_SECONDS:
                    losing_since = now
                if now - losing_since > RESOLVE_SECONDS or self._closing.wait(pauses.next()):
                    raise  # else the next look says whether etcd is really gone

    def delete_state(self, token: Token | None = None) -> bool:
        """Delete the key if it still has `token`, or whatever it holds; a lost answer is raised as unknown."""
        if token is None:
            return self._client.delete_if(self._key, _kv.if_present(self._key))
        deadline = self._deadline()
        record = self._look(deadline).record
        if record is None or not _is(token, record.nonce):
            return False
        return self._client.delete_if(self._key, self._if_still(record.nonce, record.revision), deadline)

    def list_keys(self) -> list[str]:
        """Return the keys below the option `key_prefix`, without it; read linearizably in one request."""
        found = self._client.keys(self._prefix)
        return [key[len(self._prefix) :].decode("utf-8", "replace") for key in found]

    def sibling(self, purpose: str) -> EtcdBackend:
        """Give the register of another purpose over the same connections."""
        return type(self)(self._client.another(), self._params.for_purpose(purpose))

    def close(self) -> None:
        """End every call of this instance at once; siblings are not disturbed. Idempotent."""
        self._closing.set()
        self._client.close()

    def __repr__(self) -> str:
        return f"<EtcdBackend {self._key.decode()!r} by {self._client!r}>"

    def _deadline(self) -> float:
        return time.monotonic() + self._client.timeout

    def _look(self, deadline: float) -> _Look:
        result = self._client.read(self._key, deadline)
        return _Look(self._record(result.found), result.revision)

    def _look_patiently(self, end: float) -> _Look:
        """Look; when etcd cannot be reached, try again for a while if there is time to wait anyway."""
        until = min(end, time.monotonic() + RESOLVE_SECONDS)
        pauses = retry_pauses()
        while True:
            try:
                return self._look(self._deadline())
            except RendezvousConnectionError:
                if time.monotonic() >= until or self._closing.wait(pauses.next()):
                    raise

    def _record(self, found: _kv.KeyValue | None) -> _Record | None:
        if found is None:
            return None
        try:
            state, nonce = unseal(found.value)
        except RendezvousStateError as error:
            raise RendezvousStateError(
                f"backend 'etcd': key {self._key.decode()!r} at revision {found.revision} cannot be read: {error}; "
                "it is left as it is, `etcdctl del` removes it"
            ) from error
        self._seen = nonce, found.revision
        return _Record(state, nonce, found.revision)

    def _create(self, state: bytes) -> SetStateResult | None:
        result = self._put(state, _new_nonce(), None, self._deadline())
        return result if isinstance(result, SetStateResult) else _refused(result)

    def _update(self, state: bytes, token: Token) -> SetStateResult | None:
        deadline = self._deadline()
        seen = self._seen
        if seen is None or not _is(token, seen[0]):
            record = self._look(deadline).record
            if record is None or not _is(token, record.nonce):
                return _refused(record)
            seen = record.nonce, record.revision
        nonce = _new_nonce()
        while True:
            result = self._put(state, nonce, seen, deadline)
            if isinstance(result, SetStateResult):
                return result
            if result is None or not _is(token, result.nonce):
                return _refused(result)
            # The token's very record, at another revision than remembered: written back by hand, or restored.
            seen = result.nonce, result.revision

    def _put(
        self, state: bytes, nonce: bytes, seen: tuple[bytes, int] | None, deadline: float
    ) -> SetStateResult | _Record | None:
        """Try to write over the record `seen` (None: where there is none).

        Gives the result of a success, else the record that was in the way (None: there is none).
        """
        try:
            there = self._try_to_put(state, nonce, seen, deadline)
        except UnknownOutcomeError as lost:
            return self._resolve(state, nonce, seen, deadline, lost)
        if there is not None and there.nonce == nonce:
            return SetStateResult(state, nonce, True)
        return there

    def _try_to_put(
        self, state: bytes, nonce: bytes, seen: tuple[bytes, int] | None, deadline: float
    ) -> _Record | None:
        """Send the write and return what is there after it; its own record if it succeeded, now or when sent before."""
        compare = _kv.if_absent(self._key) if seen is None else self._if_still(*seen)
        result = self._client.put_if(self._key, seal(state, nonce), compare, deadline, resumable=seen is not None)
        if result.succeeded:
            self._seen = nonce, result.revision
            return _Record(state, nonce, result.revision)
        return self._record(result.found)

    def _resolve(
        self, state: bytes, nonce: bytes, seen: tuple[bytes, int] | None, deadline: float, lost: UnknownOutcomeError
    ) -> SetStateResult:
        """Find out whether a write whose answer was lost took effect; only finding it there settles that.

        While the record that it was to replace is still there, at the same revision, it is sent again: once either
        has taken effect there is another revision, and the other one is refused for ever. If something else is there
        it may have been overwritten. One that was to create the record may yet arrive, even after a deletion.
        """
        until = min(deadline, time.monotonic() + RESOLVE_SECONDS)
        pauses = retry_pauses()
        while True:
            try:
                record = self._look(until).record
                if record is not None and seen == (record.nonce, record.revision):
                    record = self._try_to_put(state, nonce, seen, until)
            except RendezvousConnectionError:
                if time.monotonic() >= until or self._closing.wait(pauses.next()):
                    raise lost from lost.__cause__
                continue
            if record is None or record.nonce != nonce:
                raise lost
            return SetStateResult(state, nonce, True)

    def _if_still(self, nonce: bytes, revision: int) -> list[_kv.Message]:
        header = seal(b"", nonce)
        readable = nonce.hex().encode("ascii")
        return _kv.if_unchanged(self._key, revision, header[: header.index(readable) + len(readable)])


def _refused(record: _Record | None) -> SetStateResult | None:
    return None if record is None else SetStateResult(record.state, record.nonce, False)


def _is(token: Token, nonce: bytes) -> bool:
    return isinstance(token, bytes) and token == nonce


def _differs(snapshot: StateSnapshot | None, token: Token | None) -> bool:
    return (None if snapshot is None else snapshot.token) != token


def _new_nonce() -> bytes:
    return secrets.token_bytes(NONCE_BYTES)
