"""The membership of a run, as one backend has it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rdzv_core import MemberLease, MembersView, RendezvousConnectionError, Token
from rdzv_core.validation import checked_payload, checked_ttl
from rdzv_file._errors import lost, mapped
from rdzv_file._members.book import MemberBook, Place, book_of
from rdzv_file._run_files import RunFiles
from rdzv_file._store import FileStore
from rdzv_file._turns import Patience
from rdzv_file._waiting import Waiting

_AT_A_GLANCE = 4
"""So many members are looked at with each refresh: those who look at all of them, and one more."""


@dataclass
class _Renewals:
    """What copies of a lease share. Without a lock: a renewal that is done twice does no harm."""

    newest: int = 0


class FileLease(MemberLease):
    """A membership in a roll."""

    def __init__(self, place: Place, ttl: float) -> None:
        super().__init__(ttl, place.incarnation, place.member, ahead=place.ahead)
        self._renewals = _Renewals()

    def is_overtaken(self, sequence: int) -> bool:
        """Note a renewal; True if a newer one began before."""
        overtaken = sequence < self._renewals.newest
        self._renewals.newest = max(sequence, self._renewals.newest)
        return overtaken


class Membership:
    """`SupportsMembership` by the files of a run. Thread-safe; after a fork the child has its own.

    - `enter`, `update`, `leave`: a record in the run's roll, under its lock.
    - `refresh`: a lock and a new time for the member's own file, and a look at the first few others.
    - `members`, `first`, `count`: one look at the roll where nothing has changed; eight times in a ttl also one at the
      file of each member, or of the first few.
    - `wait_members` looks again and again, less and less often.
    """

    def __init__(self, store: FileStore, key: str, *, observing: bool, is_closed: Callable[[], bool]) -> None:
        self._store = store
        self._key = key
        self._observing = observing
        self._is_closed = is_closed
        self._kept: tuple[int, MemberBook] | None = None

    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        payload, ttl = checked_payload(payload), checked_ttl(ttl)
        with self._access() as book:
            if book is None:
                raise lost(self._store.path, "there is nothing here, and an observer creates nothing")
            self._store.check_there()
            return FileLease(book.enter(payload, ttl, self._patience()), ttl)

    def update(self, member: MemberLease, payload: bytes) -> bool:
        lease, payload = _own(member), checked_payload(payload)
        sequence = member.next_sequence()
        with self._access() as book:
            if book is None:
                return False
            if lease.is_overtaken(sequence):
                return self._stands(book.is_listed(lease.id, lease.incarnation))
            return self._stands(book.update(lease.id, lease.incarnation, sequence, payload, self._patience()))

    def refresh(self, member: MemberLease) -> bool:
        lease = _own(member)
        with self._access() as book:
            if book is None:
                return False
            if lease.is_overtaken(member.next_sequence()):
                stands = book.is_listed(lease.id, lease.incarnation)
            else:
                stands = book.refresh(lease.id, lease.incarnation, self._patience())
                self._observe(book, _AT_A_GLANCE)
            return self._stands(stands)

    def leave(self, member: MemberLease) -> None:
        lease = _own(member)
        with self._access() as book:
            if book is not None:
                book.leave(lease.id, lease.incarnation, self._patience())

    def members(self) -> MembersView:
        return self._view(None)

    def first(self, k: int) -> MembersView:
        return self._view(max(k, 0))

    def count(self) -> int:
        return len(self._view(None).members)

    def wait_members(self, version: Token | None, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        with self._access() as book, Waiting(None if book is None else book.path) as waiting:
            while True:
                self._check_open()
                waiting.ready()
                if version is None or version != self._version(book):
                    return True
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                waiting.nap(left if book is None else min(left, book.nap_limit()))

    def _version(self, book: MemberBook | None) -> str:
        if book is None:
            return "" if self._book() is None else "there"
        self._observe(book, None)
        return book.version()

    def remove(self, *, even_with_members: bool) -> None:
        """Remove what the run keeps besides registers; members that are there end, or keep it from being removed."""
        with self._access() as book:
            if book is not None:
                book.remove(self._patience(), even_with_members=even_with_members)

    def close(self) -> None:
        """Let go of what is kept open."""
        self._kept = None

    def _view(self, limit: int | None) -> MembersView:
        with self._access() as book:
            if book is None:
                return MembersView("", "", ())
            self._observe(book, limit)
            view = book.view(limit)
            if view is None:
                self._store.check_there()
                if self._observing:
                    return MembersView("", "", ())
                book.found(self._patience())
                view = book.view(limit)
            assert view is not None, "a roll that was just written is there"
            return view

    def _observe(self, book: MemberBook, limit: int | None) -> None:
        if not self._observing:
            book.observe(self._patience(), limit)

    def _stands(self, stands: bool) -> bool:
        if not stands:
            self._store.check_there()  # what is out of reach ends no membership
        return stands

    def _patience(self) -> Patience:
        return Patience(self._store.path, self._store.longest_wait, self._is_closed)

    @contextmanager
    def _access(self) -> Iterator[MemberBook | None]:
        book = self._book()
        try:
            with mapped(self._store.path, "use the members"):
                yield book
        except RendezvousConnectionError:
            if book is not None:
                book.restart()
            raise

    def _check_open(self) -> None:
        if self._is_closed():
            raise lost(self._store.path, "this backend was closed; create a new one")

    def _book(self) -> MemberBook | None:
        if self._kept is None or self._kept[0] != os.getpid():
            runs = self._store.runs()
            if runs is None:
                return None
            self._kept = os.getpid(), book_of(RunFiles(runs, self._key))
        return self._kept[1]


def _own(member: MemberLease) -> FileLease:
    if not isinstance(member, FileLease):
        raise TypeError(f"{member!r} was not entered here: it belongs to another membership")
    return member
