"""Mutants of RDZV-MEMBER-1, 7, 12 and 17: what other registers, other instances and other calls do to the members."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_core import MemberLease, MembersView, SetStateResult, Token
from rdzv_core.memory._members import MemberTable

PAGE, MESSAGE = 1000, 1024 * 1024
RECORD = 40
"""Bytes of a member beside its payload."""
CAP, RESTED, LOOK_EVERY = 2.0, 1.0, 1.0


@mutant(
    "a-deletion-takes-the-members",
    "delete_state deletes whatever begins with the run's key, and its members are kept under that.",
    "MEMBER-12",
    message="after the register for '' was deleted",
)
class ADeletionTakesTheMembers(SoundMemory):
    def delete_state(self, token: Token | None = None) -> bool:
        with self.opened():
            deleted = super().delete_state(token)
            if deleted and not self._params.purpose:
                self.hub.members[self.run]._entries.clear()
            return deleted


@mutant(
    "members-in-a-sibling",
    "The members are kept in the register for 'leases': who writes that takes them away.",
    "MEMBER-12",
    message="after the register for 'leases' was written",
)
class MembersInASibling(SoundMemory):
    def sibling(self, purpose: str) -> SoundMemory:
        return type(self)(self._params.for_purpose(purpose))

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        with self.opened():
            result = super().set_state(state, token)
            if self._params.purpose == "leases" and result and result.has_set:
                self.hub.members[self.run]._entries.clear()
            return result


@mutant(
    "a-write-changes-the-version",
    "The version of the members is the store's revision, which every write in the run raises.",
    "MEMBER-12",
    message="the version of the members after the register for '' was written",
    may_break=("MEMBER-7", "MEMBER-16"),
)
class AWriteChangesTheVersion(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        with self._members() as table:
            table._version += 1
            return super().set_state(state, token)


@mutant(
    "a-page-of-a-thousand-members",
    "The store gives a thousand members at a time, and the next page is not asked for.",
    "MEMBER-1",
    message="members members() gives is 1000",
)
class APageOfAThousandMembers(SoundMemory):
    def members(self) -> MembersView:
        view = super().members()
        return view._replace(members=view.members[:PAGE])


@mutant(
    "an-answer-of-one-mib",
    "What does not fit into a message of 1 MiB is left out.",
    "MEMBER-1",
    message="members members() gives is",
)
class AnAnswerOfOneMib(SoundMemory):
    def members(self) -> MembersView:
        view = super().members()
        left, fitting = MESSAGE, 0
        for each in view.members:
            left -= RECORD + len(each.payload)
            fitting += left >= 0
        return view._replace(members=view.members[:fitting])


@mutant(
    "refresh-writes-the-payload-it-knows",
    "refresh writes the member's record anew, with the payload that this instance has written last.",
    "MEMBER-17",
    message="and a refresh on the one of the entry",
    may_break=("MEMBER-2", "MEMBER-19"),
)
class RefreshWritesThePayloadItKnows(SoundMemory):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        lease = super().enter(payload, ttl)
        self._known[lease.id] = payload
        return lease

    def update(self, member: MemberLease, payload: bytes) -> bool:
        self._known[member.id] = payload
        return super().update(member, payload)

    def refresh(self, member: MemberLease) -> bool:
        known = self._known.get(member.id)
        with self._members() as table:
            entry = table._entries.get(member.id)
            same = known is None or (entry is not None and entry.payload == known)
        return super().refresh(member) if same or known is None else super().update(member, known)

    @property
    def _known(self) -> dict[str, bytes]:
        known: dict[str, bytes] = vars(self).setdefault("known", {})
        return known


@mutant(
    "renewed-by-another-is-a-change",
    "The record of a member has the instance that renewed it last: when that is another one the version changes.",
    "MEMBER-17",
    message="the version after a refresh on the instance of the entry",
    may_break=("MEMBER-6",),
)
class RenewedByAnotherIsAChange(SoundMemory):
    def write_member(self, member: str, sequence: int, payload: bytes | None) -> bool:
        with self._members() as table:
            there = super().write_member(member, sequence, payload)
            by: dict[str, object] = vars(table).setdefault("by", {})
            if there and by.get(member, self) is not self:
                table._version += 1
            by[member] = self
            return there


class _LooksAndListens(SoundMemory):
    """A wait looks, and is then told of changes: of those of the kind `missed` from a moment later on."""

    missed = ""

    def wait_members(self, version: Token | None, timeout: float) -> bool:
        with self._members() as table:
            if table.version != version:
                return True
            before = self._heard(table)
        time.sleep(0)
        with self._members() as table:
            if self._heard(table) != before:
                return True
            version = table.version
        return super().wait_members(version, timeout)

    def _heard(self, table: MemberTable) -> int:
        """Return how many changes there were of the other kinds."""
        unheard: int = vars(table).get("unheard", 0)
        return table._version - unheard

    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        with self._as("enter"):
            return super().enter(payload, ttl)

    def leave(self, member: MemberLease) -> None:
        with self._as("leave"):
            super().leave(member)

    @contextmanager
    def _as(self, kind: str) -> Iterator[None]:
        with self._members() as table:
            before = table._version
            yield
            if kind == self.missed:
                vars(table)["unheard"] = vars(table).get("unheard", 0) + table._version - before


@mutant(
    "entries-in-a-gap",
    "wait_members listens for updates and leaves, looks, and only then listens for entries.",
    "MEMBER-7",
    message="that wake-up is lost",
)
class EntriesInAGap(_LooksAndListens):
    missed = "enter"


@mutant(
    "leaves-in-a-gap",
    "wait_members listens for what is put, looks, and only then listens for what is deleted.",
    "MEMBER-7",
    message="that wake-up is lost",
)
class LeavesInAGap(_LooksAndListens):
    missed = "leave"


@mutant(
    "waits-of-two-seconds",
    "A wait is one request, which a proxy ends after two seconds: wait_members takes that for its timeout.",
    "MEMBER-7",
    message="before an enter",
)
class WaitsOfTwoSeconds(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        return super().wait_members(version, min(timeout, CAP))


@mutant(
    "looks-when-it-has-rested",
    "A wait in which nothing has happened for a second gives its stream back, and looks once a second from then on.",
    "MEMBER-7",
    message="where nothing had happened",
)
class LooksWhenItHasRested(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        ends = time.monotonic() + timeout
        if super().wait_members(version, min(timeout, RESTED)):
            return True
        while (left := ends - time.monotonic()) > 0:
            time.sleep(min(left, LOOK_EVERY))
            if self.members().version != version:
                return True
        return False


MUTANTS = (
    ADeletionTakesTheMembers,
    MembersInASibling,
    AWriteChangesTheVersion,
    APageOfAThousandMembers,
    AnAnswerOfOneMib,
    RefreshWritesThePayloadItKnows,
    RenewedByAnotherIsAChange,
    EntriesInAGap,
    LeavesInAGap,
    WaitsOfTwoSeconds,
    LooksWhenItHasRested,
)
