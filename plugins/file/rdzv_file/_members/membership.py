"""The membership of a run, as one backend has it."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rdzv_core import MemberLease, MembersView, RendezvousConnectionError, Token
from rdzv_core.abc import OnDone
from rdzv_core.validation import checked_payload, checked_ttl
from rdzv_file._errors import lost, mapped
from rdzv_file._lane import Lane
from rdzv_file._members.book import MemberBook, Place, book_of
from rdzv_file._members.roll import Roll
from rdzv_file._members.writing import Change, Writing
from rdzv_file._run_files import RunFiles
from rdzv_file._store import FileStore
from rdzv_file._submitter import Submitter
from rdzv_file._turns import Patience
from rdzv_file._waiting import Wait, immediate

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

    What is submitted is done in the lanes of the submitter, where nothing that may take long holds up a refresh.
    """

    def __init__(
        self, store: FileStore, key: str, submitter: Submitter, *, observing: bool, is_closed: Callable[[], bool]
    ) -> None:
        self._store = store
        self._submitter = submitter
        self._key = key
        self._observing = observing
        self._is_closed = is_closed
        self._kept: tuple[int, MemberBook] | None = None

    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        return self._entering(payload, ttl).block()

    def update(self, member: MemberLease, payload: bytes) -> bool:
        return self._updating(member, payload).block()

    def refresh(self, member: MemberLease) -> bool:
        return self._refreshing(member).block()

    def submit_enter(self, done: OnDone, payload: bytes, ttl: float) -> None:
        writing = self._entering(payload, ttl)
        self._submitter.write(lambda lane: writing.submit(lane, done), done)

    def submit_update(self, done: OnDone, member: MemberLease, payload: bytes) -> None:
        writing = self._updating(member, payload)
        self._submitter.write(lambda lane: writing.submit(lane, done), done)

    def submit_refresh(self, done: OnDone, member: MemberLease) -> None:
        self._submitter.look(lambda lane: self._refreshing(member, lane), done)

    def _entering(self, payload: bytes, ttl: float) -> Writing[Place, MemberLease]:
        payload, ttl = checked_payload(payload), checked_ttl(ttl)

        def begin(book: MemberBook | None) -> Change[Place]:
            if book is None:
                raise lost(self._store.path, "there is nothing here, and an observer creates nothing")
            self._check_open()
            self._store.check_there()
            return book.entering(payload, ttl)

        def read(place: Place | None) -> MemberLease:
            assert place is not None, "it is always written"
            return FileLease(place, ttl)

        return Writing(self._access, self._patience(), begin, read)

    def _updating(self, member: MemberLease, payload: bytes) -> Writing[bool, bool]:
        lease, payload = _own(member), checked_payload(payload)
        sequence = member.next_sequence()
        overtaken, is_listed = lease.is_overtaken(sequence), False

        def begin(book: MemberBook | None) -> Change[bool] | None:
            nonlocal is_listed
            self._check_open()
            is_listed = book is not None and book.is_listed(lease.id, lease.incarnation)
            if book is None or not is_listed or overtaken:
                return None
            return book.updating(lease.id, lease.incarnation, sequence, payload)

        return Writing(
            self._access,
            self._patience(),
            begin,
            lambda written: self._stands(is_listed if written is None else written),
        )

    def _refreshing(self, member: MemberLease, lane: Lane | None = None) -> Wait[bool]:
        lease, patience = _own(member), self._patience()
        overtaken = lease.is_overtaken(member.next_sequence())

        def look() -> tuple[bool] | None:
            self._check_open()
            with self._access() as book:
                if book is None:
                    return (False,)
                if overtaken:
                    return (self._stands(book.is_listed(lease.id, lease.incarnation)),)
                stands = book.refresh(lease.id, lease.incarnation)
                if stands is None:
                    return None
                self._observe(book, _AT_A_GLANCE, lane)
                return (self._stands(stands),)

        def late() -> bool:
            book = self._book()
            assert book is not None, "a look has found it"
            raise book.locked_too_long(lease.id, patience)

        return Wait(look, late, patience.seconds)

    def leave(self, member: MemberLease) -> None:
        lease = _own(member)
        with self._access() as book:
            if book is not None:
                book.leave(lease.id, lease.incarnation, self._patience())

    def members(self) -> MembersView:
        return self._view(None)

    def first(self, k: int) -> MembersView:
        return self._view(_limit(k))

    def count(self) -> int:
        return len(self._view(None).members)

    def wait_members(self, version: Token | None, timeout: float) -> bool:
        return self._waiting(version, timeout).block()

    def submit_members(self, done: OnDone) -> None:
        self._submit_view(done, None, lambda view: view)

    def submit_first(self, done: OnDone, k: int) -> None:
        self._submit_view(done, _limit(k), lambda view: view)

    def submit_count(self, done: OnDone) -> None:
        self._submit_view(done, None, lambda view: len(view.members))

    def _submit_view(self, done: OnDone, limit: int | None, read: Callable[[MembersView], object]) -> None:
        def looked(view: MembersView | None, error: Exception | None) -> None:
            if error is not None or view is not None:
                done(None if view is None else read(view), error)
            else:
                founding = Writing(self._access, self._patience(), self._founding, lambda _: read(self._there(limit)))
                self._submitter.write(lambda lane: founding.submit(lane, done), done)

        self._submitter.look(lambda lane: immediate(lambda: self._look(limit, lane)), looked)

    def submit_wait(self, done: OnDone, version: Token | None, timeout: float) -> None:
        self._submitter.look(lambda lane: self._waiting(version, timeout, lane), done)

    def _waiting(self, version: Token | None, timeout: float, lane: Lane | None = None) -> Wait[bool]:
        def look() -> tuple[bool] | None:
            self._check_open()
            with self._access() as book:
                return (True,) if version is None or version != self._version(book, lane) else None

        def path() -> str | None:
            book = self._book()
            return None if book is None else book.path

        def nap_limit() -> float:
            book = self._book()
            return math.inf if book is None else book.nap_limit()

        return Wait(look, lambda: False, timeout, path, nap_limit)

    def _version(self, book: MemberBook | None, lane: Lane | None) -> str:
        if book is None:
            return "" if self._book() is None else "there"
        self._observe(book, None, lane)
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
        view = self._look(limit)
        if view is None:
            founding = Writing(self._access, self._patience(), self._founding, lambda _: self._there(limit))
            view = founding.block()
        return view

    def _look(self, limit: int | None, lane: Lane | None = None) -> MembersView | None:
        """Return the members; None where no roll can be read and one has to be made."""
        self._check_open()
        with self._access() as book:
            if book is None:
                return MembersView("", "", ())
            self._observe(book, limit, lane)
            view = book.view(limit)
            if view is None:
                self._store.check_there()
            return MembersView("", "", ()) if view is None and self._observing else view

    def _founding(self, book: MemberBook | None) -> Change[Roll]:
        assert book is not None, "a look has found it"
        self._check_open()
        return book.founding

    def _there(self, limit: int | None) -> MembersView:
        with self._access() as book:
            view = None if book is None else book.view(limit)
        assert view is not None, "a roll that was just written is there"
        return view

    def _observe(self, book: MemberBook, limit: int | None, lane: Lane | None) -> None:
        if not self._observing:
            book.observe(self._patience(), limit, lane)

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


def _limit(k: int) -> int:
    """Return how many members to look at, of which a process can count no more."""
    return min(max(k, 0), sys.maxsize)
