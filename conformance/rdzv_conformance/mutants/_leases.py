"""Mutants of RDZV-MEMBER-1, 2, 5, 6, 11 and 17: places, renewals, versions, payloads, and whose leases they are."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_core import MemberLease, MembersView, Token
from rdzv_core.abc import Member
from rdzv_core.memory._members import MemberTable


@mutant(
    "update-does-not-renew",
    "An update writes the payload, and leaves the lease as it is.",
    "MEMBER-2",
    message="after its renewal by update",
)
class UpdateDoesNotRenew(SoundMemory):
    def update(self, member: MemberLease, payload: bytes) -> bool:
        with self._members() as table:
            entry = table._entries.get(member.id)
            ends = entry.ends if entry else 0.0
            there = super().update(member, payload)
            if entry:
                entry.ends = ends
            return there


@mutant(
    "a-newcomer-takes-a-place",
    "Members are kept in places, and a newcomer takes the first that is free.",
    "MEMBER-1",
    message="the members' ids after one had left",
    may_break=("MEMBER-5", "MEMBER-13"),
)
class ANewcomerTakesAPlace(SoundMemory):
    def members(self) -> MembersView:
        view = super().members()
        places: list[str | None] = vars(self.hub).setdefault("places", {}).setdefault(self.run, [])
        there = {each.id: each for each in view.members}
        places[:] = [place if place in there else None for place in places]
        for member in there:
            if member not in places and None in places:
                places[places.index(None)] = member
            elif member not in places:
                places.append(member)
        return view._replace(members=tuple(there[place] for place in places if place is not None))

    def leave(self, member: MemberLease) -> None:
        super().leave(member)
        self.members()

    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        lease = super().enter(payload, ttl)
        self.members()
        return lease


@mutant(
    "a-refresh-moves-to-the-end",
    "Members stand in the order in which they were last heard of.",
    "MEMBER-1",
    message="the members' ids after one had left",
    may_break=("MEMBER-8", "MEMBER-2"),
)
class ARefreshMovesToTheEnd(SoundMemory):
    def refresh(self, member: MemberLease) -> bool:
        there = super().refresh(member)
        with self._members() as table:
            if there:
                table._entries[member.id] = table._entries.pop(member.id)
        return there


class Versions(SoundMemory):
    """Sound but for its version: `told` makes it from the sound one's view."""

    def told(self, view: MembersView) -> Any:
        raise NotImplementedError

    def members(self) -> MembersView:
        view = super().members()
        return view._replace(version=self.told(view))

    def wait_members(self, version: Token | None, timeout: float) -> bool:
        real = super().members()
        return self.told(real) != version or super().wait_members(real.version, timeout)


@mutant(
    "eight-updates-are-none",
    "The version counts in three bits.",
    "MEMBER-6",
    message="the number of different versions",
    may_break=("MEMBER-7",),
)
class EightUpdatesAreNone(Versions):
    def told(self, view: MembersView) -> Any:
        return f"{view.incarnation}:{int(str(view.version).rpartition(':')[2]) % 8}"


@mutant(
    "the-version-is-a-checksum",
    "The version is a checksum of what is there: it comes again when that does.",
    "MEMBER-6",
    message="the number of different versions",
)
class TheVersionIsAChecksum(Versions):
    def told(self, view: MembersView) -> Any:
        return f"{view.incarnation}:{zlib.crc32(repr(view.members).encode())}"


@mutant(
    "expiry-leaves-the-version",
    "A lease that runs out is taken away by a sweep that does not count.",
    "MEMBER-6",
    message="a member's ttl was over, and the version is still",
    may_break=("MEMBER-7", "MEMBER-3", "MEMBER-4", "MEMBER-9"),
)
class ExpiryLeavesTheVersion(SoundMemory):
    @contextmanager
    def _members(self) -> Iterator[MemberTable]:
        with self.opened():
            table = self.hub.members[self.run]
            for member in [each for each, entry in table._entries.items() if entry.ends <= self.hub.now()]:
                del table._entries[member]
            with super()._members() as table:
                yield table


class _KnowsItsOwn(SoundMemory):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        lease = super().enter(payload, ttl)
        vars(self).setdefault("entered", set()).add(lease.id)
        return lease

    def is_mine(self, member: MemberLease) -> bool:
        return member.id in vars(self).get("entered", ())


@mutant(
    "leaves-its-own-only",
    "An instance knows the members that entered on it: leave of another one's does nothing.",
    "MEMBER-17",
    message="the members after leave on another instance",
    may_break=("MEMBER-5",),
)
class LeavesItsOwnOnly(_KnowsItsOwn):
    def leave(self, member: MemberLease) -> None:
        if self.is_mine(member):
            super().leave(member)


@mutant(
    "refreshes-its-own-only",
    "An instance knows the members that entered on it: refresh of another one's says that it has ended.",
    "MEMBER-17",
    message="what refresh on another instance gave",
)
class RefreshesItsOwnOnly(_KnowsItsOwn):
    def refresh(self, member: MemberLease) -> bool:
        return self.is_mine(member) and super().refresh(member)


@mutant(
    "leaving-again-takes-the-first",
    "leave of a member that is not there takes away the one in its place.",
    "MEMBER-5",
    message="the members after ended ones had left again",
    may_break=("MEMBER-6",),
)
class LeavingAgainTakesTheFirst(SoundMemory):
    def leave(self, member: MemberLease) -> None:
        with self._members() as table:
            if member.id not in table._entries and len(table) > 1:
                table.leave(next(iter(table._entries)))
        super().leave(member)


@mutant(
    "leaving-again-is-a-change",
    "leave counts a change, whether somebody went or not.",
    "MEMBER-5",
    message="the version after ended ones had left again",
    may_break=("MEMBER-6",),
)
class LeavingAgainIsAChange(SoundMemory):
    def leave(self, member: MemberLease) -> None:
        with self._members() as table:
            table._version += 1
        super().leave(member)


def _payload(seen: Callable[[bytes], bytes], name: str, sentence: str) -> Mutant:
    class Bent(SoundMemory):
        def members(self) -> MembersView:
            view = super().members()
            return view._replace(members=tuple(Member(each.id, seen(each.payload)) for each in view.members))

    others = ("MEMBER-1", "MEMBER-2", "MEMBER-6")
    return mutant(name, sentence, "MEMBER-11", message="is read as", may_break=others)(Bent)


MUTANTS = (
    UpdateDoesNotRenew,
    ANewcomerTakesAPlace,
    ARefreshMovesToTheEnd,
    EightUpdatesAreNone,
    TheVersionIsAChecksum,
    ExpiryLeavesTheVersion,
    LeavesItsOwnOnly,
    RefreshesItsOwnOnly,
    LeavingAgainTakesTheFirst,
    LeavingAgainIsAChange,
    _payload(lambda raw: raw.rstrip(b"\0"), "payloads-lose-nul", "A payload's column is filled up with NUL."),
    _payload(lambda raw: raw.decode("utf-8", "replace").encode(), "payloads-are-text", "A payload goes through text."),
    _payload(bytes.strip, "payloads-are-stripped", "A payload is stripped of white space."),
)
