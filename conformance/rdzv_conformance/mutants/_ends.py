"""Mutants of RDZV-MEMBER-2, 3, 4, 7, 13, 17 and 20: until when a member is there, and who sees that it is not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_core import MemberLease, MembersView, RendezvousParameters, Token
from rdzv_core.memory._members import MemberTable

GATHERED = 1 / 3
"""Of a ttl."""


class _SweepsSometimes(SoundMemory):
    """What takes away the leases that have run out is what `members` and `wait_members` do."""

    @contextmanager
    def unswept(self) -> Iterator[MemberTable]:
        """Give the table with whoever is in it."""
        with self.opened():
            yield self.hub.members[self.run]


@mutant(
    "count-of-the-records",
    "count() is how many records there are: leases that have run out count until somebody lists the members.",
    "MEMBER-4",
    message="count() shows a member long after its ttl",
)
class CountOfTheRecords(_SweepsSometimes):
    def count(self) -> int:
        with self.unswept() as table:
            return len(table)


@mutant(
    "first-without-a-sweep",
    "first(k) reads the first records, and asks of none whether its time is over.",
    "MEMBER-4",
    message="first(9) shows a member long after its ttl",
)
class FirstWithoutASweep(_SweepsSometimes):
    def first(self, k: int) -> MembersView:
        with self.unswept() as table:
            view = table.view()
        return view._replace(members=view.members[: max(k, 0)])


@mutant(
    "ahead-before-the-sweep",
    "How many are ahead is counted before those are taken away whose time is over.",
    "MEMBER-13",
    message="where the ttl of the only other member was over is 1",
)
class AheadBeforeTheSweep(_SweepsSometimes):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        with self.unswept() as table:
            ahead = len(table)
            lease = super().enter(payload, ttl)
        lease.ahead = ahead
        return lease


class _RenewsNow(SoundMemory):
    """A renewal puts the end off, or not, as `puts_off` says."""

    def puts_off(self, table: MemberTable, member: str) -> bool:
        raise NotImplementedError

    def write_member(self, member: str, sequence: int, payload: bytes | None) -> bool:
        with self._members() as table:
            entry = table._entries.get(member)
            ends = None if entry is None or self.puts_off(table, member) else entry.ends
            there = super().write_member(member, sequence, payload)
            if entry is not None and ends is not None:
                entry.ends = ends
            return there


@mutant(
    "renewals-are-gathered",
    "A renewal within a third of the ttl since the last one, or since the entry, is taken for that one.",
    "MEMBER-3",
    message="a renewal is for a whole ttl",
    may_break=("MEMBER-2",),
)
class RenewalsAreGathered(_RenewsNow):
    def puts_off(self, table: MemberTable, member: str) -> bool:
        entry = table._entries[member]
        return entry.ends - self.hub.now() < (1 - GATHERED) * entry.ttl


@mutant(
    "a-renewal-a-second",
    "A member is renewed once a second at most, and told that it was.",
    "MEMBER-3",
    message="the second one in a short time: a renewal is for a whole ttl",
    may_break=("MEMBER-2",),
)
class ARenewalASecond(_RenewsNow):
    def puts_off(self, table: MemberTable, member: str) -> bool:
        last: dict[str, float] = vars(table).setdefault("last", {})
        due = self.hub.now() >= last.get(member, -math.inf) + 1.0
        if due:
            last[member] = self.hub.now()
        return due


class _CountsInstances(SoundMemory):
    """It knows how many instances of its run are open."""

    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params)
        self._open(1)

    def close(self) -> None:
        with self.hub.changed:
            is_last = not self._closed and self._open(-1) == 0
            if is_last:
                self.last_closes(self.hub.members[self.run])
        super().close()

    def last_closes(self, table: MemberTable) -> None:
        """Do something about the members when nobody has the run open."""
        raise NotImplementedError

    def _open(self, more: int) -> int:
        with self.hub.changed:
            instances: dict[str, int] = vars(self.hub).setdefault("instances", {})
            instances[self.run] = instances.get(self.run, 0) + more
            return instances[self.run]


@mutant(
    "the-last-one-closes-the-run",
    "Members are dropped when the last instance of their run is closed: a node that opens another one has ended.",
    "MEMBER-17",
    message="the members after all instances of the run had been closed",
)
class TheLastOneClosesTheRun(_CountsInstances):
    def last_closes(self, table: MemberTable) -> None:
        table._entries.clear()


@mutant(
    "an-incarnation-for-the-first-one",
    "The first instance of a run draws an incarnation: all members seem lost whenever that was the only one.",
    "MEMBER-20",
    message="all instances of the run had been closed",
)
class AnIncarnationForTheFirstOne(_CountsInstances):
    def last_closes(self, table: MemberTable) -> None:
        table.incarnation = MemberTable().incarnation


@mutant(
    "no-alarm-without-a-limit",
    "A wait sleeps until its timeout or the next end of a lease; one without a timeout, until it is told.",
    "MEMBER-7",
    message="without a limit of time",
)
class NoAlarmWithoutALimit(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        if timeout != math.inf:
            return super().wait_members(version, timeout)
        with self._members() as table:
            told = self._told(table)
            while table.version == version and self._told(table) == told:
                self.hub.changed.wait_for(lambda: self._told(table) != told or self._closed)
                self._check_open()
            return True

    def _told(self, table: MemberTable, more: int = 0) -> int:
        """Return how many changes were told of: all but the ends of leases."""
        told: int = vars(table).get("told", 0) + more
        vars(table)["told"] = told
        return told

    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        with self._members() as table:
            self._told(table, 1)
            return super().enter(payload, ttl)

    def leave(self, member: MemberLease) -> None:
        with self._members() as table:
            self._told(table, 1)
            super().leave(member)

    def update(self, member: MemberLease, payload: bytes) -> bool:
        with self._members() as table:
            self._told(table, 1)
            return super().update(member, payload)


MUTANTS = (
    CountOfTheRecords,
    FirstWithoutASweep,
    AheadBeforeTheSweep,
    RenewalsAreGathered,
    ARenewalASecond,
    TheLastOneClosesTheRun,
    AnIncarnationForTheFirstOne,
    NoAlarmWithoutALimit,
)
