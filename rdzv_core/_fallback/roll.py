"""The records that a membership on registers is made of, and what follows from them. No I/O.

A member takes a *slot* first; then the *directory* lists it, in entry order. It is there if the directory lists it
and its slot holds it. A slot is free again once its member is gone. Some slots share a register, a *page*: few enough
that members seldom write at the same time, and enough that a look at many members is a few reads.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Literal, NamedTuple

import msgspec

from rdzv_core.abc import Member, MembersView

SLOTS = 8
"""In a page: with payloads of 4 KiB they fit into 256 KiB, and their refreshes seldom meet, even on a slow store."""


class Entry(msgspec.Struct, frozen=True):
    """One member in the directory; its place is its place in entry order."""

    slot: int
    id: str


class Directory(msgspec.Struct, frozen=True):
    """The members that may be there. `incarnation` is new for every directory that is founded.

    `pages` is how many pages may hold a slot, as far as whoever has written it knows; it only grows.
    """

    incarnation: str
    order: tuple[Entry, ...] = ()
    pages: int = 0
    v: Literal[2] = 2

    def members(self) -> frozenset[str]:
        """Return the ids of those who have an entry."""
        return frozenset(entry.id for entry in self.order)

    def lists(self, member: str) -> bool:
        """Return whether `member` has an entry."""
        return any(entry.id == member for entry in self.order)

    def with_entries(self, entries: Iterable[Entry], pages: int) -> Directory:
        """Return the directory with those of `entries` that it does not list behind all others."""
        listed = self.members()
        new = tuple(entry for entry in entries if entry.id not in listed)
        return Directory(self.incarnation, (*self.order, *new), max(self.pages, pages))

    def without(self, members: Collection[str]) -> Directory:
        """Return the directory without the entries of `members`."""
        order = tuple(entry for entry in self.order if entry.id not in members)
        return Directory(self.incarnation, order, self.pages)

    def members_by_page(self) -> Counter[int]:
        """Return how many of the members that it lists each page has."""
        return Counter(entry.slot // SLOTS for entry in self.order)


class Slot(msgspec.Struct, frozen=True, omit_defaults=True):
    """One member's own record. `seq` counts payloads, `beat` refreshes; `gone` ends the membership for good.

    No two that were ever written to one slot are equal: ids are new for every entry, and beats only grow.
    """

    id: str
    seq: int = 0
    beat: int = 0
    payload: bytes = b""
    ttl: float = 0.0
    gone: bool = False

    def holds(self, member: str) -> bool:
        """Return whether `member` is there by this record."""
        return self.id == member and not self.gone

    @property
    def may_wait(self) -> bool:
        """Whether its member may still be entering: it has not refreshed yet, and is not gone."""
        return not self.gone and self.beat == 0

    def advanced(self, sequence: int | None, payload: bytes | None) -> Slot:
        """Return the record refreshed, with the payload if it is newer than the one that is there."""
        if sequence is None or payload is None or sequence <= self.seq:
            return Slot(self.id, self.seq, self.beat + 1, self.payload, self.ttl)
        return Slot(self.id, sequence, self.beat + 1, payload, self.ttl)

    def ended(self) -> Slot:
        """Return the record of the member that is gone."""
        return Slot(self.id, self.seq, self.beat, gone=True)


class Page(msgspec.Struct, frozen=True):
    """Some slots, by number."""

    slots: dict[int, Slot]
    v: Literal[2] = 2

    def with_slot(self, number: int, slot: Slot) -> Page:
        """Return the page with another slot of that number."""
        return Page({**self.slots, number: slot})

    def free_slot(self, page: int) -> int | None:
        """Return the number of its lowest slot that nobody has, None if it is full; `page` is its own number."""
        numbers = range(page * SLOTS, (page + 1) * SLOTS)
        return next((each for each in numbers if each not in self.slots or self.slots[each].gone), None)


class Incarnation(msgspec.Struct, frozen=True):
    """A small companion of the directory, written before one is founded: see `RegisterMembership`."""

    incarnation: str
    v: Literal[1] = 1


class Shown(NamedTuple):
    """A member that is there."""

    member: str
    slot: Slot


def view_of(incarnation: str, shown: Sequence[Shown]) -> MembersView:
    """Return the view; its version covers the members, their order and their payloads, but no refreshes."""
    digest = hashlib.blake2b(incarnation.encode(), digest_size=16)
    for member, slot in shown:
        digest.update(f"|{member}:{slot.seq}".encode())
    members = tuple(Member(member, slot.payload) for member, slot in shown)
    return MembersView(incarnation, digest.hexdigest(), members)
