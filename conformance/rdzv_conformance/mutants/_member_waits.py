"""Mutants of RDZV-MEMBER-3, 4, 6, 7, 8, 18 and 20: versions, sequence numbers, waits and ttls that are nearly right."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rdzv_conformance.mutants._leases import Versions
from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_core import MemberLease, MembersView, Token
from rdzv_core.memory._members import MemberTable
from rdzv_core.validation import checked_ttl

LOOK_EVERY = 0.05


@mutant(
    "none-is-the-current-version",
    "wait_members without a version waits for the next change.",
    "MEMBER-7",
    message="what wait_members(None) gave where nobody is",
)
class NoneIsTheCurrentVersion(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        return super().wait_members(self.members().version if version is None else version, timeout)


def _number(version: object) -> int:
    return int(str(version).rpartition(":")[2] or -1)


@mutant(
    "sixteen-versions-are-known",
    "The store keeps its last sixteen changes; who is further behind waits for the next one.",
    "MEMBER-7",
    message="wait_members with a version that is 17 changes old has not returned",
)
class SixteenVersionsAreKnown(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        current = self.members().version
        same = str(version).partition(":")[0] == str(current).partition(":")[0]
        if same and _number(version) <= _number(current) - 17:
            version = current
        return super().wait_members(version, timeout)


@mutant(
    "waits-are-joined",
    "A second wait on an instance joins the one that is on its way, whatever its version.",
    "MEMBER-7",
    message="has not returned after",
    may_break=("MEMBER-16",),
)
class WaitsAreJoined(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        with self.opened():
            waiting: list[Token | None] = vars(self).setdefault("waiting", [])
            joined = waiting[0] if waiting else version
            waiting.append(joined)
        try:
            return super().wait_members(joined, timeout)
        finally:
            waiting.remove(joined)


@mutant(
    "another-run-ends-the-wait",
    "The channel on which changes of members are told is one for all runs, and every message is taken for a change.",
    "MEMBER-7",
    message="what wait_members gave though its run's members had not changed",
)
class AnotherRunEndsTheWait(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        began, ends = self._all(), time.monotonic() + timeout
        while not super().wait_members(version, max(0.0, min(LOOK_EVERY, ends - time.monotonic()))):
            if self._all() != began:
                return True
            if time.monotonic() >= ends:
                return False
        return True

    def _all(self) -> dict[str, str]:
        with self.opened():
            return {run: table.version for run, table in self.hub.members.items()}


@mutant(
    "gives-up-at-half-time",
    "wait_members leaves half of its timeout to the way back.",
    "MEMBER-7",
    message="returned in vain after",
    may_break=("MEMBER-3", "MEMBER-16"),
)
class GivesUpAtHalfTime(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        return super().wait_members(version, timeout / 2)


@mutant(
    "the-version-is-a-byte",
    "The version counts in eight bits.",
    "MEMBER-6",
    message="the number of different versions",
)
class TheVersionIsAByte(Versions):
    def told(self, view: MembersView) -> Any:
        return f"{view.incarnation}:{_number(view.version) % 256}"


class _Bits(SoundMemory):
    """Sequence numbers are kept in so many bits."""

    BITS = 16

    def write_member(self, member: str, sequence: int, payload: bytes | None) -> bool:
        return super().write_member(member, sequence % (1 << self.BITS), payload)


@mutant(
    "sequences-of-16-bits",
    "Sequence numbers are kept in 16 bits: a member that renews every second ends after eighteen hours.",
    "MEMBER-8",
    message="the payloads after a member's write number 65536",
    may_break=("MEMBER-2",),
)
class SequencesOf16Bits(_Bits):
    pass


@mutant(
    "sequences-of-32-bits",
    "Sequence numbers are kept in 32 bits.",
    "MEMBER-8",
    message="the payloads after a member's write number 4294967297",
)
class SequencesOf32Bits(_Bits):
    BITS = 32


@mutant(
    "overtaken-is-ended",
    "A write that another one of its member has overtaken is answered as if the membership had ended.",
    "MEMBER-8",
    message="what update gave of a member in time, as an older write",
    may_break=("MEMBER-2",),
)
class OvertakenIsEnded(SoundMemory):
    def write_member(self, member: str, sequence: int, payload: bytes | None) -> bool:
        with self._members() as table:
            entry = table._entries.get(member)
            there = super().write_member(member, sequence, payload)
            return there and entry is not None and sequence >= entry.sequence


@mutant(
    "a-lease-in-milliseconds",
    "A lease says its ttl in the store's unit: its member renews it a thousand times too late.",
    "MEMBER-18",
    message="the ttl of a lease that was entered with 0.75 is 750.0",
    may_break=("MEMBER-4", "MEMBER-7"),
)
class ALeaseInMilliseconds(SoundMemory):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        lease = super().enter(payload, ttl)
        lease.ttl = 1000 * ttl
        return lease


@mutant(
    "whole-seconds",
    "A ttl is kept in whole seconds, and what is left over is cut off.",
    "MEMBER-18",
    message="before its ttl is over",
    may_break=("MEMBER-2", "MEMBER-3"),
)
class WholeSeconds(SoundMemory):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        lease = super().enter(payload, max(1, int(checked_ttl(ttl))) if ttl < 2**31 else ttl)
        lease.ttl = ttl
        return lease


class _RenewsOtherwise(SoundMemory):
    """A renewal is for another time than the member's own ttl."""

    def seconds(self, table: MemberTable, own: float) -> float:
        raise NotImplementedError

    def write_member(self, member: str, sequence: int, payload: bytes | None) -> bool:
        with self._members() as table:
            entry = table._entries.get(member)
            there = super().write_member(member, sequence, payload)
            if entry is not None:
                entry.ends = min(entry.ends, self.hub.now() + self.seconds(table, entry.ttl))
            return there


@mutant(
    "renews-by-the-shortest-ttl",
    "The ttl is one of the run, the shortest that a member has.",
    "MEMBER-3",
    message="a renewal is for a whole ttl",
    may_break=("MEMBER-2",),
)
class RenewsByTheShortestTtl(_RenewsOtherwise):
    def seconds(self, table: MemberTable, own: float) -> float:
        return min(own, *(entry.ttl for entry in table._entries.values()))


@mutant(
    "renews-by-the-last-ttl",
    "The ttl is one of the run, that of whoever entered last.",
    "MEMBER-3",
    message="a renewal is for a whole ttl",
    may_break=("MEMBER-2",),
)
class RenewsByTheLastTtl(_RenewsOtherwise):
    def seconds(self, table: MemberTable, own: float) -> float:
        return [own, *(entry.ttl for entry in table._entries.values())][-1]


@mutant(
    "one-end-at-a-time",
    "What takes away the leases that have run out takes one, and comes again after two seconds.",
    "MEMBER-4",
    message="is there after 12 s",
    may_break=("MEMBER-1", "MEMBER-2", "MEMBER-3", "MEMBER-5", "MEMBER-6", "MEMBER-7"),
)
class OneEndAtATime(SoundMemory):
    @contextmanager
    def _members(self) -> Iterator[MemberTable]:
        with self.opened():
            table, now = self.hub.members[self.run], self.hub.now()
            kept: dict[str, float] = vars(table)
            over = [entry for entry in table._entries.values() if entry.ends <= now]
            for entry in over[0 if now < kept.get("next", 0.0) else 1 :]:
                entry.ends = max(now + LOOK_EVERY, kept.get("next", 0.0))
            if over and now >= kept.get("next", 0.0):
                kept["next"] = now + 2.0
            with super()._members() as found:
                yield found


@mutant(
    "an-end-is-a-new-incarnation",
    "The incarnation is drawn anew whenever a lease has run out.",
    "MEMBER-20",
    message="the end of a lease is no loss of the store",
    may_break=("MEMBER-9",),
)
class AnEndIsANewIncarnation(SoundMemory):
    @contextmanager
    def _members(self) -> Iterator[MemberTable]:
        with self.opened():
            table = self.hub.members[self.run]
            if any(entry.ends <= self.hub.now() for entry in table._entries.values()):
                table.incarnation = secrets.token_hex(16)
            with super()._members() as found:
                yield found


@mutant(
    "a-leave-is-a-new-incarnation",
    "The incarnation is drawn anew whenever somebody leaves.",
    "MEMBER-20",
    message="and no member was lost",
    may_break=("MEMBER-9", "MEMBER-15"),
)
class ALeaveIsANewIncarnation(SoundMemory):
    def leave(self, member: MemberLease) -> None:
        with self._members() as table:
            if member.id in table._entries:
                super().leave(member)
                table.incarnation = secrets.token_hex(16)


MUTANTS = (
    NoneIsTheCurrentVersion,
    SixteenVersionsAreKnown,
    WaitsAreJoined,
    AnotherRunEndsTheWait,
    GivesUpAtHalfTime,
    TheVersionIsAByte,
    SequencesOf16Bits,
    SequencesOf32Bits,
    OvertakenIsEnded,
    ALeaseInMilliseconds,
    WholeSeconds,
    RenewsByTheShortestTtl,
    RenewsByTheLastTtl,
    OneEndAtATime,
    AnEndIsANewIncarnation,
    ALeaveIsANewIncarnation,
)
