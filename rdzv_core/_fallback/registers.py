"""Sibling registers, made when first needed and closed together; those of a membership among them."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TypeVar

import msgspec

from rdzv_core._fallback.pace import Life
from rdzv_core._fallback.pages import SlotRecord, page_purpose
from rdzv_core._fallback.record import Record
from rdzv_core._fallback.roll import SLOTS, Directory, Incarnation, Page
from rdzv_core.abc import RendezvousBackend

S = TypeVar("S", bound=msgspec.Struct)


class Siblings:
    """A backend's siblings, one for each purpose. Thread-safe; `life` is that of whatever is built on them.

    A backend whose `sibling` does not share its connection has one for each.
    """

    def __init__(self, backend: RendezvousBackend, life: Life) -> None:
        self.backend = backend
        self.life = life
        self._lock = threading.Lock()
        self._open: dict[str, RendezvousBackend] = {}

    def sibling(self, purpose: str) -> RendezvousBackend:
        """Return the register for a purpose; raises `RendezvousConnectionError` after `close`."""
        self.life.check()
        there = self._open.get(purpose)
        if there is not None:
            return there
        # Made outside the lock: it may take as long as a connection takes, and a close must not wait for it.
        made = self.backend.sibling(purpose)
        with self._lock:
            kept = made if self.life.is_closed else self._open.setdefault(purpose, made)
        if kept is not made or self.life.is_closed:
            made.close()
        self.life.check()
        return kept

    def close(self) -> None:
        """End `life` and close them all, even if closing one raises. Idempotent."""
        self.life.close()
        with self._lock:
            there, self._open = list(self._open.values()), {}
        with ExitStack() as ending:
            for register in there:
                ending.callback(register.close)


class Registers(Siblings):
    """The directory, the incarnation record and the slots."""

    @property
    def directory(self) -> Record[Directory]:
        """The members that may be there."""
        return self._record("members", Directory, "the directory of members")

    @property
    def incarnation(self) -> Record[Incarnation]:
        """What is written before a directory is founded."""
        return self._record("members.incarnation", Incarnation, "the incarnation record of members")

    def slot(self, number: int) -> SlotRecord:
        """One member's own record."""
        return SlotRecord(number, self.page(number // SLOTS), self.life)

    def page(self, page: int) -> Record[Page]:
        """The page of that number."""
        what = f"the record of members {page * SLOTS} to {page * SLOTS + SLOTS - 1}"
        return self._record(page_purpose(page), Page, what)

    def _record(self, purpose: str, kind: type[S], what: str) -> Record[S]:
        return Record(self.sibling(purpose), kind, what)
