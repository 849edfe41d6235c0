"""The members that a log of entries, updates and ends amounts to. No I/O."""

from __future__ import annotations

import secrets
from itertools import islice
from typing import NamedTuple

from rdzv_core.abc import Member, MembersView
from rdzv_file._log.format import Record


class Entry(NamedTuple):
    """A member: its payload, its ttl in seconds, and the sequence number of the newest update."""

    payload: bytes
    ttl: float
    sequence: int = 0


class Roll:
    """The members in entry order. `changes` counts entries, updates and ends since the incarnation began.

    So no version comes twice: not even where everybody has gone, again.
    """

    def __init__(self) -> None:
        self.incarnation = ""
        self.changes = 0
        self.entries: dict[str, Entry] = {}
        self._view: MembersView | None = None
        self._shortest_ttl: float | None = None

    @property
    def version(self) -> str:
        """Differs after every change."""
        return f"{self.incarnation}.{self.changes}"

    @property
    def shortest_ttl(self) -> float:
        """The shortest ttl of all members, in seconds; infinity where there is none."""
        if self._shortest_ttl is None:
            self._shortest_ttl = min((entry.ttl for entry in self.entries.values()), default=float("inf"))
        return self._shortest_ttl

    def apply(self, record: Record) -> None:
        """Take in the next record; a kind that is not known changes nothing."""
        self._view = None
        if record.kind == "roll":
            self.incarnation, self.changes = record.fields[0], int(record.fields[1])
            return
        self.changes += 1
        if record.kind == "end":
            gone = self.entries.pop(record.fields[0], None)
            if gone is not None and gone.ttl == self._shortest_ttl:
                self._shortest_ttl = None
        elif record.kind == "enter":
            member, ttl, sequence = record.fields
            self.entries[member] = entry = Entry(record.body, float(ttl), int(sequence))
            if self._shortest_ttl is not None:
                self._shortest_ttl = min(self._shortest_ttl, entry.ttl)
        elif record.kind == "update" and (known := self.entries.get(record.fields[0])) is not None:
            self.entries[record.fields[0]] = known._replace(payload=record.body, sequence=int(record.fields[1]))

    def view(self, limit: int | None = None) -> MembersView:
        """Return the members, or the first `limit` of them."""
        if limit is not None:
            return self._made(limit)
        if self._view is None:
            self._view = self._made(None)
        return self._view

    def _made(self, limit: int | None) -> MembersView:
        members = tuple(Member(member, entry.payload) for member, entry in islice(self.entries.items(), limit))
        return MembersView(self.incarnation, self.version, members)

    def shortened(self) -> list[Record]:
        """Return the records of a log that amounts to the same, in as few of them as there are members."""
        begin = Record("roll", (self.incarnation, str(self.changes - len(self.entries))))
        return [begin, *(entered(member, *entry) for member, entry in self.entries.items())]


def founded() -> Record:
    """Return what a new log begins with."""
    return Record("roll", (secrets.token_hex(16), "0"))


def entered(member: str, payload: bytes, ttl: float, sequence: int = 0) -> Record:
    """Return the record of an entry."""
    return Record("enter", (member, repr(float(ttl)), str(sequence)), payload)


def updated(member: str, sequence: int, payload: bytes) -> Record:
    """Return the record of a new payload."""
    return Record("update", (member, str(sequence)), payload)


def ended(member: str) -> Record:
    """Return the record of an end."""
    return Record("end", (member,))
