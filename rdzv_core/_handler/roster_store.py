"""Where rosters are kept that are too large for the head."""

from __future__ import annotations

import threading

from rdzv_core._errors import RendezvousStateError, RendezvousTimeoutError
from rdzv_core._handler.async_call import AsyncCall
from rdzv_core._handler.head import Seat
from rdzv_core._handler.roster import PackedRoster, page_of, rank_in, unpack_roster
from rdzv_core.abc import RendezvousBackend, SupportsDelete, SupportsStore

_WHOLE = "whole"
_KEPT = 2
_PATIENCE = 1.0
"""Seconds to wait for what was written before the head named it."""


class RosterStore:
    """A run's rosters, by digest. Thread-safe.

    With a store of the backend's own a node reads one page of it; else a roster is one value in a sibling register,
    which is read as a whole. What this process wrote is removed again, except the last two, where the store can.
    """

    def __init__(self, backend: RendezvousBackend) -> None:
        self._backend = backend
        self._stores = backend if isinstance(backend, SupportsStore) else None
        self._written: list[str] = []
        self._lock = threading.Lock()

    def put(self, roster: PackedRoster) -> None:
        """Write a roster, to be called before the head names it. Raises what the backend raises."""
        if self._stores is not None:
            numbered = {str(number): page for number, page in enumerate(roster.pages)}
            self._stores.store(_name(roster.digest)).multi_set({_WHOLE: roster.whole, **numbered})
            return  # a backend keeps the latest stores of a run, and drops the others by itself
        register = self._backend.sibling(_name(roster.digest))
        try:
            register.set_state(roster.whole)
        finally:
            register.close()
        self._remove_outdated(roster.digest)

    def whole(self, digest: str) -> tuple[Seat, ...]:
        """Return a roster; raises `RendezvousStateError` if it is not there or not readable."""
        return unpack_roster(digest, self._read(digest))

    def looking_up(self, digest: str, pages: int, member: str) -> AsyncCall:
        """Return the call whose result is a member's rank, None if it is not in the roster.

        It raises what `whole` raises; but with a store of the backend's own a page that is not there is a
        `RendezvousTimeoutError`: it may still come.
        """
        if self._stores is not None:
            store, page = self._stores.store(_name(digest)), str(page_of(member, pages))
            return AsyncCall(store, "get", page, _PATIENCE, read=lambda found: rank_in(found, member))
        return AsyncCall(self, "whole", digest, read=lambda seats: _rank(seats, member))

    def _read(self, digest: str) -> bytes:
        if self._stores is not None:
            try:
                return self._stores.store(_name(digest)).get(_WHOLE, _PATIENCE)
            except RendezvousTimeoutError as error:
                raise _missing(digest) from error
        register = self._backend.sibling(_name(digest))
        try:
            snapshot = register.get_state()
        finally:
            register.close()
        if snapshot is None:
            raise _missing(digest)
        return snapshot[0]

    def _remove_outdated(self, digest: str) -> None:
        with self._lock:
            self._written.append(digest)
            outdated, self._written = self._written[:-_KEPT], self._written[-_KEPT:]
        for old in outdated:
            remove_roster(self._backend, old)


def remove_roster(backend: RendezvousBackend, digest: str) -> bool:
    """Remove a roster that is a value in a sibling register; False if it was not there, or cannot be removed."""
    sibling = backend.sibling(_name(digest))
    try:
        return isinstance(sibling, SupportsDelete) and sibling.delete_state()
    finally:
        sibling.close()


def _name(digest: str) -> str:
    return f"roster.{digest}"


def _rank(seats: tuple[Seat, ...], member: str) -> int | None:
    return next((rank for rank, seat in enumerate(seats) if seat.member == member), None)


def _missing(digest: str) -> RendezvousStateError:
    return RendezvousStateError(f"the roster {digest} that the run's register names is not in the store")
