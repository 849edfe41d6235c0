"""Mutants of RDZV-MEMBER-1, 5, 11, 12, 13 and 19: entries at once, many members, views in parts."""

from __future__ import annotations

import time
from typing import Any

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_core import Member, MemberLease, MembersView
from rdzv_core.memory._members import MemberTable
from rdzv_core.validation import checked_payload, checked_ttl

A_HOST_NAME = 20
"""Bytes from which a payload is taken for one."""


def _let_others_go_on() -> None:
    time.sleep(0)


@mutant(
    "enters-in-a-copy",
    "Who enters reads the list of members, adds itself, and writes the list back.",
    "MEMBER-1",
    message="members that entered at once",
    may_break=("MEMBER-13",),
)
class EntersInACopy(SoundMemory):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        payload, ttl = checked_payload(payload), checked_ttl(ttl)
        with self._members() as table:
            read = dict(table._entries)
            lease = MemberLease(ttl, table.incarnation, ahead=len(table))
        _let_others_go_on()
        with self._members() as table:
            table._entries = read
            table.enter(lease.id, payload, ttl, self.hub.now())
            return lease


@mutant(
    "ahead-is-asked-first",
    "How many are ahead is asked in a request of its own, before the one that enters.",
    "MEMBER-13",
    message="members entered at once, and in entry order their leases say",
)
class AheadIsAskedFirst(SoundMemory):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        ahead = self.count()
        _let_others_go_on()
        lease = super().enter(payload, ttl)
        lease.ahead = ahead
        return lease


@mutant(
    "a-page-of-members",
    "The store gives a hundred members at a time, and the next page is not asked for.",
    "MEMBER-1",
    message="members members() gives is 100",
)
class APageOfMembers(SoundMemory):
    def members(self) -> MembersView:
        view = super().members()
        return view._replace(members=view.members[:100])


@mutant(
    "an-answer-of-64-kib",
    "What does not fit into a message of 64 KiB is left out.",
    "MEMBER-1",
    message="members members() gives is",
)
class AnAnswerOf64Kib(SoundMemory):
    def members(self) -> MembersView:
        view = super().members()
        sizes = [sum(40 + len(each.payload) for each in view.members[: k + 1]) for k in range(len(view.members))]
        return view._replace(members=view.members[: sum(size <= 65_536 for size in sizes)])


@mutant(
    "a-member-for-each-payload",
    "Members are kept by their payload, a host's name: a second one of a host takes the place of the first.",
    "MEMBER-1",
    message="the members is",
    may_break=("MEMBER-2", "MEMBER-3", "MEMBER-5", "MEMBER-6", "MEMBER-12", "MEMBER-13", "MEMBER-20"),
)
class AMemberForEachPayload(SoundMemory):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        with self._members() as table:
            for other in [each for each, entry in table._entries.items() if entry.payload == payload]:
                if len(payload) > A_HOST_NAME:
                    table.leave(other)
            return super().enter(payload, ttl)


@mutant(
    "ids-are-counted",
    "A member's id is a number of its run, in 32 digits.",
    "MEMBER-1",
    message="the number of different ids of five entries in two runs",
    may_break=("MEMBER-12", "MEMBER-9"),
)
class IdsAreCounted(SoundMemory):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        payload, ttl = checked_payload(payload), checked_ttl(ttl)
        with self._members() as table:
            number = vars(table)["entered"] = vars(table).get("entered", 0) + 1
            lease = MemberLease(ttl, table.incarnation, f"{number:032x}", ahead=len(table))
            table.enter(lease.id, payload, ttl, self.hub.now())
            return lease


@mutant(
    "renews-in-any-run",
    "refresh and update find a member by its id, whatever run it is of.",
    "MEMBER-12",
    message="what refresh gave on an instance of another run",
)
class RenewsInAnyRun(SoundMemory):
    def write_member(self, member: str, sequence: int, payload: bytes | None) -> bool:
        with self._members() as table:
            found: MemberTable = next((each for each in self.hub.members.values() if member in each._entries), table)
            there = found.write(member, sequence, payload, self.hub.now())
            self.hub.changed.notify_all()
            return there


@mutant(
    "leaves-in-any-run",
    "leave deletes by the member's id, whatever run it is of.",
    "MEMBER-12",
    message="the members after another run was given a lease of this one",
)
class LeavesInAnyRun(SoundMemory):
    def leave(self, member: MemberLease) -> None:
        with self._members():
            for table in self.hub.members.values():
                table.leave(member.id)
            self.hub.changed.notify_all()


@mutant(
    "updates-of-2000-bytes",
    "An update goes through a column that is shorter than the one of the entry.",
    "MEMBER-11",
    message="a payload of 2047 bytes, set by update, came back with 2000",
    may_break=(
        "MEMBER-2",
        "MEMBER-6",
    ),
)
class UpdatesOf2000Bytes(SoundMemory):
    def update(self, member: MemberLease, payload: bytes) -> bool:
        return super().update(member, checked_payload(payload)[:2000])


@mutant(
    "payloads-are-buffers",
    "A payload is a part of the buffer into which the answer was read.",
    "MEMBER-11",
    message="a payload is read as bytearray: it must be bytes",
)
class PayloadsAreBuffers(SoundMemory):
    def members(self) -> MembersView:
        view = super().members()
        members: Any = tuple(Member(each.id, bytearray(each.payload)) for each in view.members)  # type: ignore[arg-type]
        return view._replace(members=members)


@mutant(
    "four-are-remembered",
    "A renewal of who is not there enters it again; who has left is remembered, but only the last four.",
    "MEMBER-5",
    message="what refresh gave of one of 20 who left is True",
    may_break=("MEMBER-4",),
)
class FourAreRemembered(SoundMemory):
    def leave(self, member: MemberLease) -> None:
        with self._members() as table:
            if member.id in table._entries:
                vars(table).setdefault("left", []).append(member.id)
            super().leave(member)

    def write_member(self, member: str, sequence: int, payload: bytes | None) -> bool:
        with self._members() as table:
            if member in vars(table).get("left", [])[:-4]:
                table.enter(member, payload or b"", 60.0, self.hub.now())
            return super().write_member(member, sequence, payload)


@mutant(
    "the-list-and-then-the-version",
    "members() reads who is there, and in a second request the version: a change in between is never waited for.",
    "MEMBER-19",
    message="a view that was read while members came",
)
class TheListAndThenTheVersion(SoundMemory):
    def members(self) -> MembersView:
        view = super().members()
        _let_others_go_on()
        return view._replace(version=super().members().version)


@mutant(
    "the-ids-and-then-the-payloads",
    "members() reads the ids, and then the payloads, by their places.",
    "MEMBER-19",
    message="a view that was read while members came",
)
class TheIdsAndThenThePayloads(SoundMemory):
    def members(self) -> MembersView:
        view = super().members()
        _let_others_go_on()
        payloads = [each.payload for each in super().members().members]
        payloads += [b""] * len(view.members)
        members = tuple(Member(each.id, payload) for each, payload in zip(view.members, payloads, strict=False))
        return view._replace(members=members)


@mutant(
    "a-view-is-a-list",
    "A view has the client's own list, which is changed when somebody looks again.",
    "MEMBER-19",
    message="a view's members are list: a tuple",
    may_break=("MEMBER-1", "MEMBER-2", "MEMBER-5", "MEMBER-6", "MEMBER-15"),
)
class AViewIsAList(SoundMemory):
    def members(self) -> MembersView:
        view = super().members()
        known: Any = vars(self).setdefault("known", [])
        known[:] = view.members
        return view._replace(members=known)

    def first(self, k: int) -> MembersView:
        view = super().members()
        return view._replace(members=view.members[: max(k, 0)])


MUTANTS = (
    EntersInACopy,
    AheadIsAskedFirst,
    APageOfMembers,
    AnAnswerOf64Kib,
    AMemberForEachPayload,
    IdsAreCounted,
    RenewsInAnyRun,
    LeavesInAnyRun,
    UpdatesOf2000Bytes,
    PayloadsAreBuffers,
    FourAreRemembered,
    TheListAndThenTheVersion,
    TheIdsAndThenThePayloads,
    AViewIsAList,
)
