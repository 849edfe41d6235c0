"""The register of a run in a file store."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakSet

from rdzv_core import (
    MemberLease,
    MembersView,
    RendezvousBackend,
    RendezvousConnectionError,
    RendezvousParameters,
    RendezvousStateError,
    SetStateResult,
    StateSnapshot,
    Store,
    SupportsDelete,
    SupportsListing,
    SupportsMembership,
    SupportsStore,
    SupportsSubmit,
    SupportsWatch,
    Token,
)
from rdzv_core.abc import OnDone
from rdzv_core.envelope import NONCE_BYTES, header, unseal
from rdzv_core.submitting import guarded
from rdzv_file._errors import lost
from rdzv_file._kept import Kept
from rdzv_file._members.membership import Membership
from rdzv_file._notify import ring_all
from rdzv_file._round_store import RoundStore
from rdzv_file._store import FileStore
from rdzv_file._submitter import Submitter
from rdzv_file._temporary import TemporaryFile
from rdzv_file._waiting import Wait, immediate


class _Seen(NamedTuple):
    kept: Kept
    snapshot: StateSnapshot | None


class FileBackend(
    RendezvousBackend,
    SupportsWatch,
    SupportsMembership,
    SupportsStore,
    SupportsDelete,
    SupportsListing,
    SupportsSubmit,
):
    """A register in a `FileStore`; the token is the nonce of the write.

    Reads take no lock. Writes wait for their lock, at most the store's `lock_timeout`. Between calls it holds the file
    open that it has read last, so that one look tells whether that is current; neither a thread nor a lock.
    """

    max_state_bytes = 16 * 1024 * 1024
    durable = True

    def __init__(self, store: FileStore, params: RendezvousParameters, temporary: TemporaryFile | None = None) -> None:
        self._store = store
        self._params = params
        self._key = params.key
        self._temporary = temporary
        # A plain flag, read between naps: a lock or an event could be held by a thread that a fork left behind.
        self._closed = False
        self._seen: _Seen | None = None
        self._run_key = params.for_purpose("").key
        self._round_stores: WeakSet[RoundStore] = WeakSet()
        self._submitter = Submitter((store.path, self._run_key), self._closed_error)
        self._membership = Membership(
            store, self._run_key, self._submitter, observing=params.observing, is_closed=self._is_closed
        )

    @property
    def name(self) -> str:
        return "file"

    @property
    def raw_store(self) -> FileStore:
        """The raw store; siblings share it."""
        return self._store

    @property
    def key(self) -> str:
        """The key of this register in the store."""
        return self._key

    def get_state(self) -> StateSnapshot | None:
        self._check_open()
        return self._look()

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        self._check_open()
        state = bytes(state)
        if len(state) > self.max_state_bytes:
            raise ValueError(f"a state of {len(state)} bytes is too long: at most {self.max_state_bytes} are allowed")
        seen = self._look()  # a stale writer is refused without waiting for the lock
        if not _is_current(seen, token):
            return _refusal(seen)
        with self._store.turn(self._key, self._is_closed) as lock:
            seen = self._look()  # and one whose turn comes after another thread's, without the lock
            if not _is_current(seen, token):
                return _refusal(seen)
            known = self._seen
            with lock(None if known is None else known.kept) as slot:
                unchanged = known is not None and slot.kept is known.kept
                seen = known.snapshot if known is not None and unchanged else self._snapshot(slot.read())
                if not _is_current(seen, token):
                    return _refusal(seen)
                nonce = secrets.token_bytes(NONCE_BYTES)
                slot.write((header((state,), nonce), state))
                kept = slot.kept
        self._note(kept, StateSnapshot(state, nonce))
        return SetStateResult(state, nonce, True)

    def delete_state(self, token: Token | None = None) -> bool:
        self._check_open()
        file = self._store.file_of(self._key)
        if file is None or not os.path.lexists(file) or not self._delete(token):
            return False
        if not self._params.purpose:
            self._membership.remove(even_with_members=False)
        return True

    def _delete(self, token: Token | None) -> bool:
        with self._store.locked(self._key, self._is_closed) as slot:
            if token is None:
                return slot.clear()
            seen = self._snapshot(slot.read())
            if seen is None or not _is_current(seen, token):
                return False
            slot.write(None)
            return True

    def delete_leftovers(self) -> None:
        self._check_open()
        self._membership.remove(even_with_members=True)

    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        return self._watching(token, timeout).block()

    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        done = guarded(done, "file")
        try:
            _SUBMITTABLE[method](self, done, *arguments)
        except Exception as error:  # noqa: BLE001 - it is handed on
            done(None, error)

    def _watching(self, token: Token | None, timeout: float) -> Wait[tuple[bool, StateSnapshot | None]]:
        snapshot: StateSnapshot | None = None

        def look() -> tuple[tuple[bool, StateSnapshot | None]] | None:
            nonlocal snapshot
            self._check_open()
            snapshot = self._look()
            return None if _is_current(snapshot, token) else ((True, snapshot),)

        return Wait(look, lambda: (False, snapshot), timeout, lambda: self._store.file_of(self._key))

    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        self._check_open()
        return self._membership.enter(payload, ttl)

    def update(self, member: MemberLease, payload: bytes) -> bool:
        self._check_open()
        return self._membership.update(member, payload)

    def refresh(self, member: MemberLease) -> bool:
        self._check_open()
        return self._membership.refresh(member)

    def leave(self, member: MemberLease) -> None:
        self._check_open()
        self._membership.leave(member)

    def members(self) -> MembersView:
        self._check_open()
        return self._membership.members()

    def first(self, k: int) -> MembersView:
        self._check_open()
        return self._membership.first(k)

    def count(self) -> int:
        self._check_open()
        return self._membership.count()

    def wait_members(self, version: Token | None, timeout: float) -> bool:
        self._check_open()
        return self._membership.wait_members(version, timeout)

    def store(self, prefix: str) -> Store:
        self._check_open()
        made = RoundStore(self._store, self._run_key, prefix, self._submitter, self._is_closed)
        self._round_stores.add(made)
        return made

    def list_keys(self) -> list[str]:
        self._check_open()
        return self._store.keys()

    def sibling(self, purpose: str) -> FileBackend:
        self._check_open()
        theirs = self._params.for_purpose(purpose)
        made = FileBackend(self._store, theirs, self._temporary)
        made.params = theirs
        return made

    def close(self) -> None:
        self._closed = True
        self._seen = None  # which closes the file, unless a call is still looking at it
        ring_all()
        self._submitter.close()
        self._membership.close()
        for store in list(self._round_stores):
            store.close()
        self._temporary = None  # the file is deleted with the last reference to it

    def _is_closed(self) -> bool:
        return self._closed

    def _check_open(self) -> None:
        if self._closed:
            raise self._closed_error()

    def _closed_error(self) -> RendezvousConnectionError:
        return lost(self._store.path, "this backend was closed; create a new one")

    def _look(self) -> StateSnapshot | None:
        known = self._seen
        kept = self._store.look(self._key, None if known is None else known.kept)
        if known is not None and kept is known.kept:
            return known.snapshot
        snapshot = None if kept is None else self._snapshot(kept.value(self._key))
        self._note(kept, snapshot)
        return snapshot

    def _note(self, kept: Kept | None, snapshot: StateSnapshot | None) -> None:
        self._seen = None if kept is None else _Seen(kept, snapshot)
        if self._closed:
            self._seen = None

    def _snapshot(self, raw: bytes | None) -> StateSnapshot | None:
        if raw is None:
            return None
        try:
            return StateSnapshot(*unseal(raw))
        except RendezvousStateError as error:
            raise RendezvousStateError(
                f"file backend at {self._store.path!r}: the register {self._key!r} of run {self._params.run_id!r} "
                f"cannot be read: {error}; {self._store.way_out(self._key)}`rdzv reset` clears it"
            ) from error

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<FileBackend {self._store.path!r} run_id={self._params.run_id!r} {state}>"


_SUBMITTABLE: dict[str, Callable[..., None]] = {
    "get_state": lambda self, done: self._submitter.look(lambda _: immediate(self.get_state), done),
    "wait_state": lambda self, done, *given: self._submitter.look(lambda _: self._watching(*given), done),
    "enter": lambda self, done, *given: self._membership.submit_enter(done, *given),
    "update": lambda self, done, *given: self._membership.submit_update(done, *given),
    "refresh": lambda self, done, member: self._membership.submit_refresh(done, member),
    "members": lambda self, done: self._membership.submit_members(done),
    "first": lambda self, done, k: self._membership.submit_first(done, k),
    "count": lambda self, done: self._membership.submit_count(done),
    "wait_members": lambda self, done, *given: self._membership.submit_wait(done, *given),
}
FileBackend.submittable = frozenset(_SUBMITTABLE)


def _is_current(seen: StateSnapshot | None, token: object) -> bool:
    """Return whether `token` is the one of what was seen; None is the token of nothing."""
    if seen is None:
        return token is None
    return isinstance(token, bytes) and token == seen.token


def _refusal(seen: StateSnapshot | None) -> SetStateResult | None:
    return None if seen is None else SetStateResult(*seen, False)
