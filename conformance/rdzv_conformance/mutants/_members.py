"""Mutants of RDZV-MEMBER: the members of a run, and until when they stay."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

from rdzv_conformance.mutants._memory import SoundMemory, SoundStalling, StallingHub, mutant, stalling
from rdzv_core import MemberLease, MembersView, RendezvousParameters, Token
from rdzv_core.memory._members import MemberTable


@mutant(
    "enters-at-the-front",
    "Members are listed by when they were last heard of, the newest first.",
    "MEMBER-1",
    message="the members' ids",
    may_break=("MEMBER-5", "MEMBER-2", "MEMBER-11", "MEMBER-6"),
)
class EntersAtTheFront(SoundMemory):
    def members(self) -> MembersView:
        view = super().members()
        return view._replace(members=view.members[::-1])


@mutant(
    "ids-of-32-bits",
    "A member's id is a short random number: in a large job two members share one some day.",
    "MEMBER-1",
    message="is not 32 hexadecimal digits",
)
class IdsOf32Bits(SoundMemory):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        lease = super().enter(payload, ttl)
        with self._members() as table:
            short = lease.id[:8]
            table._entries[short] = table._entries.pop(lease.id)
            return MemberLease(ttl, lease.incarnation, short)


@mutant(
    "counts-everybody-ever",
    "The count is a counter of entries, from which nobody subtracts.",
    "MEMBER-5",
    "MEMBER-4",
    message="count()",
)
class CountsEverybodyEver(SoundMemory):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        counts: dict[str, int] = vars(self.hub).setdefault("counts", {})
        counts[self.run] = counts.get(self.run, 0) + 1
        return super().enter(payload, ttl)

    def count(self) -> int:
        super().count()
        counts: dict[str, int] = vars(self.hub).setdefault("counts", {})
        return counts.get(self.run, 0)


@mutant(
    "update-moves-to-the-end",
    "An update is a deletion and a new entry: the member loses its place.",
    "MEMBER-2",
    message="the members",
    may_break=("MEMBER-1",),
)
class UpdateMovesToTheEnd(SoundMemory):
    def update(self, member: MemberLease, payload: bytes) -> bool:
        there = super().update(member, payload)
        with self._members() as table:
            if there:
                table._entries[member.id] = table._entries.pop(member.id)
        return there


@mutant(
    "update-keeps-the-payload",
    "An update renews the lease and forgets to write the payload.",
    "MEMBER-2",
    "MEMBER-6",
    "MEMBER-8",
    "MEMBER-11",
    message="the members",
    may_break=("MEMBER-7",),
)
class UpdateKeepsThePayload(SoundMemory):
    def update(self, member: MemberLease, payload: bytes) -> bool:
        if len(payload) > 4096:
            raise ValueError("too long")
        return self.refresh(member)


@mutant(
    "refresh-renews-nothing",
    "The lease that the store keeps is not touched by a refresh.",
    "MEMBER-3",
    message="the members",
)
class RefreshRenewsNothing(SoundMemory):
    def refresh(self, member: MemberLease) -> bool:
        with self._members() as table:
            return member.id in table._entries


@mutant(
    "nobody-ever-ends",
    "There is a ttl, and nobody looks at it.",
    "MEMBER-3",
    "MEMBER-4",
    message="is there after",
    may_break=("MEMBER-8",),
)
class NobodyEverEnds(SoundMemory):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        lease = super().enter(payload, ttl)
        with self._members() as table:
            table._entries[lease.id].ends = table._entries[lease.id].ttl = 1e9
        return lease


@mutant(
    "a-refresh-revives",
    "A refresh is an upsert: a member that was given up for dead, and replaced, is there again.",
    "MEMBER-4",
    "MEMBER-5",
    message="what refresh of an ended membership gave",
    may_break=("MEMBER-7", "MEMBER-8", "MEMBER-9", "MEMBER-12", "MEMBER-6"),
)
class ARefreshRevives(SoundMemory):
    def refresh(self, member: MemberLease) -> bool:
        if not super().refresh(member):
            with self._members() as table:
                table.enter(member.id, b"", member.ttl, self.hub.now())
        return True


@mutant(
    "leaving-takes-a-ttl",
    "leave only stops the refreshing: the others wait for the lease to end.",
    "MEMBER-5",
    "MEMBER-6",
    message="the members",
    may_break=("MEMBER-1", "MEMBER-7", "MEMBER-11", "MEMBER-12"),
)
class LeavingTakesATtl(SoundMemory):
    def leave(self, member: MemberLease) -> None:
        pass


@mutant(
    "leaves-once-only",
    "Leaving a membership that has ended is a KeyError.",
    "MEMBER-5",
    message="raised KeyError",
    may_break=("MEMBER-12", "MEMBER-6"),
)
class LeavesOnceOnly(SoundMemory):
    def leave(self, member: MemberLease) -> None:
        with self._members() as table:
            table._entries[member.id]
            table.leave(member.id)


@mutant(
    "a-refresh-is-a-change",
    "Every refresh changes the version, and wakes every waiter: n members make n² messages.",
    "MEMBER-6",
    message="the version after a refresh",
    may_break=("MEMBER-7", "MEMBER-8", "MEMBER-16"),
)
class ARefreshIsAChange(SoundMemory):
    def refresh(self, member: MemberLease) -> bool:
        with self._members() as table:
            table._version += 1
        return super().refresh(member)


@mutant(
    "the-version-is-the-number",
    "The version is how many are there: a member that leaves while another enters goes unseen.",
    "MEMBER-6",
    message="the number of different versions",
)
class TheVersionIsTheNumber(SoundMemory):
    def members(self) -> MembersView:
        view = super().members()
        return view._replace(version=f"{view.incarnation}:{len(view.members)}")

    def wait_members(self, version: Token | None, timeout: float) -> bool:
        view = self.members()
        return view.version != version or super().wait_members(super().members().version, timeout)


@mutant(
    "waits-for-the-next-change",
    "Waiting begins with the next event: a change since the version was read is missed.",
    "MEMBER-7",
    message="wait_members gave",
    may_break=("MEMBER-9", "MEMBER-6"),
)
class WaitsForTheNextChange(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:  # noqa: ARG002 - that is the fault
        return super().wait_members(self.members().version, min(timeout, 1.0))


@mutant(
    "every-wake-up-is-a-change",
    "Whatever wakes the waiting, and the end of their timeout too, is told as a change.",
    "MEMBER-7",
    message="what wait_members gave in vain",
)
class EveryWakeUpIsAChange(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        super().wait_members(version, timeout)
        return True


class _TakesAnyOrder(SoundMemory):
    renews = replaces = False

    def write_member(self, member: str, sequence: int, payload: bytes | None) -> bool:
        with self._members() as table:
            entry = table._entries.get(member)
            if entry is not None and sequence <= entry.sequence:
                if self.renews:
                    entry.ends = self.hub.now() + entry.ttl
                if self.replaces and payload is not None:
                    entry.payload = payload
                    table._version += 1
        return super().write_member(member, sequence, payload)


@mutant(
    "the-last-to-arrive-wins",
    "Two updates overtake each other on two connections, and the older one stays.",
    "MEMBER-8",
    message="the members after an older update arrived",
)
class TheLastToArriveWins(_TakesAnyOrder):
    replaces = True


@mutant(
    "old-refreshes-renew",
    "A refresh that lay in a queue keeps a dead member alive.",
    "MEMBER-8",
    message="overtaken by newer ones by refresh keep a member",
)
class OldRefreshesRenew(_TakesAnyOrder):
    renews = True


@mutant(
    "a-repeated-write-is-refused",
    "The retry of a refresh whose answer was lost is answered as if its member had ended: a node stops its work.",
    "MEMBER-8",
    message="what update gave when it came for the second time",
    may_break=("MEMBER-2",),
)
class ARepeatedWriteIsRefused(SoundMemory):
    def write_member(self, member: str, sequence: int, payload: bytes | None) -> bool:
        with self._members() as table:
            entry = table._entries.get(member)
            if entry is not None and sequence <= entry.sequence:
                return False
        return super().write_member(member, sequence, payload)


@mutant(
    "the-old-incarnation",
    "The incarnation is made from the run id: a store that lost everybody looks like one that everybody has left.",
    "MEMBER-9",
    message="it must be new",
    may_break=("MEMBER-6",),
)
class TheOldIncarnation(SoundMemory):
    @contextmanager
    def _members(self) -> Iterator[MemberTable]:
        with super()._members() as table:
            table.incarnation = f"of {self.run}"
            yield table


class _GivesNothingBack(StallingHub):
    def make_up(self, table: MemberTable) -> None:
        pass


@mutant(
    "a-stall-ends-everybody",
    "The server was suspended, wakes up, and finds that every lease has run out.",
    "MEMBER-10",
    message="it must grant a fresh ttl",
    setting=stalling,
)
class AStallEndsEverybody(SoundStalling):
    hub_type = _GivesNothingBack


class _GivesForEver(StallingHub):
    def make_up(self, table: MemberTable) -> None:
        for entry in table._entries.values():
            entry.ends = entry.ttl = 1e9


@mutant(
    "a-stall-ends-nobody-ever-after",
    "After a stall expiry stays switched off.",
    "MEMBER-10",
    message="is there after",
    setting=stalling,
)
class AStallEndsNobody(SoundStalling):
    hub_type = _GivesForEver


@mutant(
    "any-payload",
    "Nobody looks at a payload's size: one member fills the store's message for everybody.",
    "MEMBER-11",
    message="enter with 4097 bytes",
)
class AnyPayload(SoundMemory):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        lease = super().enter(b"", ttl)
        with self._members() as table:
            table._entries[lease.id].payload = payload
        return lease


@mutant(
    "any-ttl",
    "A ttl of nothing is taken: the member has ended before it is told that it entered.",
    "MEMBER-11",
    message="enter(b'', 0.0)",
)
class AnyTtl(SoundMemory):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        return super().enter(payload, ttl if 0 < ttl < 1e300 else 1e-9)


@mutant(
    "members-of-all-runs",
    "Memberships are kept by endpoint, not by run.",
    "MEMBER-12",
    message="the members of a run",
    may_break=("MEMBER-1", "MEMBER-7"),
)
class MembersOfAllRuns(SoundMemory):
    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params)
        theirs = copy.copy(params)
        theirs.run_id = params.run_id.removesuffix("-other")
        self.run = theirs.for_purpose("").key


@mutant(
    "counts-who-ever-entered",
    "A lease says how many have entered before, and not how many of them are there.",
    "MEMBER-13",
    message="what a lease says is ahead after somebody left",
)
class CountsWhoEverEntered(SoundMemory):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        lease = super().enter(payload, ttl)
        entered: dict[str, int] = vars(self.hub).setdefault("entered", {})
        lease.ahead = entered.get(self.run, 0)
        entered[self.run] = lease.ahead + 1
        return lease


MUTANTS = (
    EntersAtTheFront,
    IdsOf32Bits,
    CountsEverybodyEver,
    UpdateMovesToTheEnd,
    UpdateKeepsThePayload,
    RefreshRenewsNothing,
    NobodyEverEnds,
    ARefreshRevives,
    LeavingTakesATtl,
    LeavesOnceOnly,
    ARefreshIsAChange,
    TheVersionIsTheNumber,
    WaitsForTheNextChange,
    EveryWakeUpIsAChange,
    TheLastToArriveWins,
    OldRefreshesRenew,
    ARepeatedWriteIsRefused,
    TheOldIncarnation,
    AStallEndsEverybody,
    AStallEndsNobody,
    AnyPayload,
    AnyTtl,
    MembersOfAllRuns,
    CountsWhoEverEntered,
)
