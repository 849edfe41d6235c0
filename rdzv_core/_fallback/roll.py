"""The records that a membership on registers is made of, and what follows from them. No I/O.

The *directory* says which members may be there, in entry order, and which *slot* each has; a member's own slot says
whether it is there. A slot is reused once its member is gone: there are as many as there ever were members at once.
Some slots share a register, a *page*: few enough that members seldom write at the same time, and enough that a look
at many members is a few reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

import msgspec

from rdzv_core.abc import Member, MembersView


class Entry(msgspec.Struct, frozen=True):
    """One member in the directory; its place is its place in entry order."""

    slot: int
    id: str
    ttl: float


class Directory(msgspec.Struct, frozen=True):
    """The members that may be there. `incarnation` is new for every directory that is founded."""

    incarnation: str
    order: tuple[Entry, ...] = ()
    v: Literal[1] = 1

    def free_slot(self) -> int:
        """Return the lowest slot that is free."""
        taken = {entry.slot for entry in self.order}
        return next(slot for slot in range(len(taken) + 1) if slot not in taken)

    def lists(self, member: str) -> bool:
        """Return whether `member` has an entry."""
        return any(entry.id == member for entry in self.order)

    def with_entry(self, entry: Entry) -> Directory:
        """Return the directory with `entry` behind all others."""
        return Directory(self.incarnation, (*self.order, entry))

    def without(self, members: Collection[str]) -> Directory:
        """Return the directory without the entries of `members`."""
        return Directory(self.incarnation, tuple(entry for entry in self.order if entry.id not in members))


class Slot(msgspec.Struct, frozen=True, omit_defaults=True):
    """One member's own record. `seq` counts payloads, `beat` refreshes; `gone` ends the membership for good.

    No two that were ever written to one slot are equal: ids are new for every entry, and beats only grow.
    """

    id: str
    seq: int = 0
    beat: int = 0
    payload: bytes = b""
    gone: bool = False

    def holds(self, member: str) -> bool:
        """Return whether `member` is there by this record."""
        return self.id == member and not self.gone

    def advanced(self, sequence: int | None, payload: bytes | None) -> Slot:
        """Return the record refreshed, with the payload if it is newer than the one that is there."""
        if sequence is None or payload is None or sequence <= self.seq:
            return Slot(self.id, self.seq, self.beat + 1, self.payload)
        return Slot(self.id, sequence, self.beat + 1, payload)


class Page(msgspec.Struct, frozen=True):
    """Some slots, by number."""

    slots: dict[int, Slot]
    v: Literal[1] = 1

    def with_slot(self, number: int, slot: Slot) -> Page:
        """Return the page with another slot of that number."""
        return Page({**self.slots, number: slot})


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
