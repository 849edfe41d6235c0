"""Looking at a membership on registers, and ending members that no longer refresh."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from rdzv_core._errors import RendezvousConnectionError
from rdzv_core._fallback.ages import Ages
from rdzv_core._fallback.pace import Life
from rdzv_core._fallback.pages import PageReader
from rdzv_core._fallback.registers import Registers
from rdzv_core._fallback.roll import Directory, Entry, Shown, Slot, view_of
from rdzv_core.abc import MembersView, RendezvousBackend, Token
from rdzv_core.abc._backend import params_of


class Observer:
    """Reads the members: each look reads the directory, then each page of slots, or those that it takes for so many.

    Looks come one after the other.

    A member whose slot did not change for its ttl, by this observer's clock and before this observer's eyes, is ended
    by a compare-and-set of that slot: if it refreshed meanwhile, that is refused and it lives. So is an entry whose
    slot was never taken, because its member died while it entered. After a connection error every member has a fresh
    ttl. A backend that was made to observe only ends no member.
    """

    def __init__(self, registers: Registers, life: Life, now: Callable[[], float]) -> None:
        self._registers = registers
        self._life = life
        self._now = now
        self._ages = Ages()
        self._looking = threading.Lock()
        self._may_write = not _observes_only(registers.backend)
        self.shortest_ttl = float("inf")
        # The tokens of the directory and of the view in the last look at everybody.
        self._seen: tuple[Token | None, Token | None] = (None, None)

    def look(self, limit: int | None = None) -> MembersView:
        """Return all members, or the first `limit`, read after this call began.

        The version of a view of the first few covers no more than these.
        """
        with self._looking:
            try:
                return self._look(limit)
            except RendezvousConnectionError:
                self._ages.restart()
                raise

    def glance(self, version: Token) -> bool:
        """Return whether the version differs, as far as the directory tells: that is all that is read if it does not.

        A payload that changed, or a member that ended or left half way, is in a page: only `look` sees it.
        """
        with self._looking:
            try:
                if self._seen[1] == version and self._registers.directory.read()[1] == self._seen[0]:
                    self._ages.answered(self._now())
                    return False
            except RendezvousConnectionError:
                self._ages.restart()
                raise
        return self.look().version != version

    def _look(self, limit: int | None) -> MembersView:
        directory, token = self._registers.directory.read()
        self._ages.answered(self._now())
        if directory is None:
            self._ages.restart()
            return view_of("", ())
        self.shortest_ttl = min((entry.ttl for entry in directory.order), default=float("inf"))
        self._ages.keep({entry.id for entry in directory.order})
        shown: list[Shown] = []
        gone: list[str] = []
        pages = PageReader(self._registers.page, lambda: self._ages.answered(self._now()))
        for entry in directory.order:
            if limit is not None and len(shown) >= limit:
                break
            slot = self._settle(entry, pages)
            if slot is not None and slot.holds(entry.id):
                shown.append(Shown(entry.id, slot))
            elif slot is not None and _is_gone(entry, slot):
                gone.append(entry.id)
        self._drop(directory, token, gone)
        view = view_of(directory.incarnation, shown)
        if limit is None:
            self._seen = (token, view.version)
        return view

    def _settle(self, entry: Entry, pages: PageReader) -> Slot | None:
        """Return what an entry's slot holds, after ending the member if that is due."""
        slot = pages.slot(entry.slot)
        due = self._ages.age(entry.id, entry.ttl, slot, self._now()) > entry.ttl
        if due and self._may_write and not (slot is not None and _is_gone(entry, slot)):
            _, slot = self._registers.slot(entry.slot).write(Slot(entry.id, gone=True), slot)
        return slot

    def _drop(self, directory: Directory, token: Token | None, gone: Collection[str]) -> None:
        if gone and self._may_write:
            self._registers.directory.write(directory.without(gone), token)  # refused: the next look does it


def _is_gone(entry: Entry, slot: Slot) -> bool:
    return slot.id == entry.id and slot.gone


def _observes_only(backend: RendezvousBackend) -> bool:
    params = params_of(backend)
    return params is not None and params.observing
