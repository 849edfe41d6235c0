"""Looking at a membership on registers, and ending members that no longer refresh."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import NamedTuple

from rdzv_core._errors import RendezvousConnectionError
from rdzv_core._fallback.ages import Ages
from rdzv_core._fallback.pace import Life
from rdzv_core._fallback.pages import PageReader
from rdzv_core._fallback.registers import Registers
from rdzv_core._fallback.roll import Directory, Shown, Slot, view_of
from rdzv_core.abc import MembersView, RendezvousBackend, Token
from rdzv_core.abc._backend import params_of


class _Seen(NamedTuple):
    """What the last look at everybody has shown: the directory's token and members, and the view's version."""

    token: Token | None
    version: Token | None
    members: frozenset[str]


class Observer:
    """Reads the members: each look reads the directory, then each page of slots, or those that it takes for so many.

    Looks come one after the other.

    A member whose slot did not change for its ttl, by this observer's clock and before this observer's eyes, is ended
    by a compare-and-set of that slot: if it refreshed meanwhile, that is refused and it lives. So is one that took a
    slot beside those of members and was never listed, because it died while it entered. After a connection error every
    member has a fresh ttl. A backend that was made to observe only ends no member.
    """

    def __init__(self, registers: Registers, life: Life, now: Callable[[], float]) -> None:
        self._registers = registers
        self._life = life
        self._now = now
        self._ages = Ages()
        self._looking = threading.Lock()
        self._may_write = not _observes_only(registers.backend)
        self._unlisted: set[str] = set()
        self.shortest_ttl = float("inf")
        self._seen = _Seen(None, None, frozenset())

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
        """Return whether the version differs, as far as the directory tells: that is all that is read in most cases.

        A payload that changed, or a member that ended or left half way, is in a page: only `look` sees it.
        """
        with self._looking:
            try:
                if self._seen.version == version:
                    directory, token = self._registers.directory.read()
                    self._ages.answered(self._now())
                    if token == self._seen.token:
                        return False
                    if directory is not None and not self._seen.members.issuperset(directory.members()):
                        return True  # whoever is listed has been there, if only for a moment
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
        listed = directory.members()
        self._ages.keep(listed | self._unlisted)
        shown: list[Shown] = []
        gone: list[str] = []
        pages = PageReader(self._registers.page, lambda: self._ages.answered(self._now()))
        for entry in directory.order:
            if limit is not None and len(shown) >= limit:
                break
            slot = self._settle(entry.slot, entry.id, pages.slot(entry.slot))
            if slot is not None:
                shown.append(Shown(entry.id, slot))
            else:
                gone.append(entry.id)
        self._drop(directory, token, gone)
        view = view_of(directory.incarnation, shown)
        if limit is None:
            self._settle_unlisted(listed, pages)
            self.shortest_ttl = min((slot.ttl for _, slot in shown), default=float("inf"))
            self._seen = _Seen(token, view.version, listed)
        return view

    def _settle(self, number: int, member: str, slot: Slot | None) -> Slot | None:
        """Return a member's slot if it is there, after ending it if that is due."""
        if slot is None or not slot.holds(member):
            return None  # it took its slot before it was listed: so it is gone for good
        due = self._ages.age(member, slot, self._now()) > slot.ttl
        if due and self._may_write:
            _, slot = self._registers.slot(number).write(slot.ended(), slot)
        return slot if slot is not None and slot.holds(member) else None

    def _settle_unlisted(self, listed: Collection[str], pages: PageReader) -> None:
        """End those who died while they entered, or were in a directory that is lost: their slots are free then."""
        unlisted = [(number, slot) for number, slot in pages.slots() if slot.id not in listed and not slot.gone]
        self._unlisted = {slot.id for _, slot in unlisted}
        for number, slot in unlisted:
            self._settle(number, slot.id, slot)

    def _drop(self, directory: Directory, token: Token | None, gone: Collection[str]) -> None:
        if gone and self._may_write:
            self._registers.directory.write(directory.without(gone), token)  # refused: the next look does it


def _observes_only(backend: RendezvousBackend) -> bool:
    params = params_of(backend)
    return params is not None and params.observing
