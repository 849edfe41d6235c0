"""Mutants of RDZV-MEMBER-1, 2, 6, 7 and 17: what goes wrong when a lease ends, or is renewed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_core import MemberLease, MembersView, Token
from rdzv_core.memory._members import MemberTable


@mutant(
    "expiry-wakes-nobody",
    "What takes away the leases that have run out is a sweep of the store, which notifies nobody.",
    "MEMBER-7",
    message="the end of a lease is a change",
    may_break=("MEMBER-3", "MEMBER-4", "MEMBER-8"),
)
class ExpiryWakesNobody(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while True:
            with self._members() as table:
                if table.version != version:
                    return True
                if not self.wait_changed(deadline):
                    return self.members().version != version


@mutant(
    "an-alarm-for-the-first-end",
    "A wait sets an alarm for the next end of a lease when it begins, and none after a renewal has put that off.",
    "MEMBER-7",
    message="the end of a lease is a change",
    may_break=("MEMBER-3", "MEMBER-8"),
)
class AnAlarmForTheFirstEnd(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        with self._members() as table:
            end = table.next_end()
        alarm = None if end is None else time.monotonic() + end - self.hub.now()
        while True:
            with self._members() as table:
                if table.version != version:
                    return True
                due = deadline if alarm is None else min(deadline, alarm)
                if not self.wait_changed(due):
                    if due >= deadline:
                        return False
                    alarm = None


@mutant(
    "an-alarm-for-one",
    "One thread of an instance watches the leases for all that wait there, and wakes only itself.",
    "MEMBER-7",
    message="has not returned 12 s after the last renewal",
    may_break=("MEMBER-3", "MEMBER-8"),
)
class AnAlarmForOne(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        first = not vars(self).get("watched", False)
        vars(self)["watched"] = True
        try:
            while True:
                with self._quietly() as table:
                    if table.version != version:
                        return True
                    end = table.next_end() if first else None
                    due = deadline if end is None else min(deadline, time.monotonic() + end - self.hub.now())
                    if not self.wait_changed(due) and due >= deadline:
                        return False
        finally:
            if first:
                vars(self)["watched"] = False

    @contextmanager
    def _quietly(self) -> Iterator[MemberTable]:
        with self.opened():
            table = self.hub.members[self.run]
            table.expire(self.hub.now())
            yield table


@mutant(
    "an-equal-update-does-not-renew",
    "An update with the payload that is there is optimised away, and the renewal with it.",
    "MEMBER-2",
    message="by update with equal bytes",
    may_break=("MEMBER-8",),
)
class AnEqualUpdateDoesNotRenew(SoundMemory):
    def update(self, member: MemberLease, payload: bytes) -> bool:
        with self._members() as table:
            entry = table._entries.get(member.id)
            if entry is not None and entry.payload == payload:
                return True
        return super().update(member, payload)


@mutant(
    "renews-by-half",
    "A renewal puts the end off by half of the ttl, because clients renew three times in one.",
    "MEMBER-3",
    message="a renewal is for a whole ttl",
    may_break=("MEMBER-7",),
)
class RenewsByHalf(SoundMemory):
    def write_member(self, member: str, sequence: int, payload: bytes | None) -> bool:
        with self._members() as table:
            entry = table._entries.get(member)
            before = entry.ends if entry else 0.0
            there = super().write_member(member, sequence, payload)
            if entry and entry.ends != before:
                entry.ends = max(before, self.hub.now() + entry.ttl / 2)
            return there


@mutant(
    "update-renews-short-leases",
    "An update renews a short lease only; of a long one it writes the payload.",
    "MEMBER-2",
    message="by update",
)
class UpdateRenewsLater(SoundMemory):
    def update(self, member: MemberLease, payload: bytes) -> bool:
        with self._members() as table:
            entry = table._entries.get(member.id)
            ends = entry.ends if entry else 0.0
            there = super().update(member, payload)
            if entry:
                entry.ends = ends if entry.ttl > 1.1 else entry.ends
            return there


@mutant(
    "expired-are-hidden-first",
    "A read leaves out the leases that have run out; the version changes when a sweep takes them away, later.",
    "MEMBER-6",
    message="the version is still",
    may_break=("MEMBER-7", "MEMBER-3", "MEMBER-4", "MEMBER-2"),
)
class ExpiredAreHiddenFirst(SoundMemory):
    LATER = 1.5

    @contextmanager
    def _members(self) -> Iterator[MemberTable]:
        with self.opened() as changed:
            table = self.hub.members[self.run]
            before = table.version
            table.expire(self.hub.now() - self.LATER)
            try:
                yield table
            finally:
                if table.version != before:
                    changed.notify_all()

    def members(self) -> MembersView:
        view = super().members()
        with self._members() as table:
            over = {each for each, entry in table._entries.items() if entry.ends <= self.hub.now()}
        return view._replace(members=tuple(each for each in view.members if each.id not in over))

    def write_member(self, member: str, sequence: int, payload: bytes | None) -> bool:
        with self._members() as table:
            entry = table._entries.get(member)
            if entry is not None and entry.ends <= self.hub.now():
                return False
            return super().write_member(member, sequence, payload)


@mutant(
    "the-version-counts-heads",
    "The version is made of how many members there are and how many updates there were.",
    "MEMBER-6",
    message="each must be new",
    may_break=("MEMBER-7", "MEMBER-9"),
)
class TheVersionCountsHeads(SoundMemory):
    def told(self, view: MembersView) -> str:
        updates = vars(self.hub).setdefault("updates", {}).get(self.run, 0)
        return f"{view.incarnation}:{len(view.members)}:{updates}"

    def update(self, member: MemberLease, payload: bytes) -> bool:
        updates = vars(self.hub).setdefault("updates", {})
        updates[self.run] = updates.get(self.run, 0) + 1
        return super().update(member, payload)

    def members(self) -> MembersView:
        view = super().members()
        return view._replace(version=self.told(view))

    def wait_members(self, version: Token | None, timeout: float) -> bool:
        ends = time.monotonic() + timeout
        while True:
            real = super().members()
            if self.told(real) != version:
                return True
            if not super().wait_members(real.version, max(0.0, ends - time.monotonic())):
                return False


@mutant(
    "a-newcomer-takes-an-ended-place",
    "The place of a lease that has run out is kept for a while, and given to the next who enters.",
    "MEMBER-1",
    message="who entered last behind who was there",
    may_break=("MEMBER-3",),
)
class ANewcomerTakesAnEndedPlace(SoundMemory):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        lease = super().enter(payload, ttl)
        with self._members() as table:
            free: list[tuple[str, int]] = vars(self.hub).setdefault("free", [])
            for place in [each for each in free if each[0] == self.run][:1]:
                free.remove(place)
                others = [item for item in table._entries.items() if item[0] != lease.id]
                others.insert(place[1], (lease.id, table._entries[lease.id]))
                table._entries = dict(others)
        return lease

    @contextmanager
    def _members(self) -> Iterator[MemberTable]:
        with self.opened():
            entries = self.hub.members[self.run]._entries
            over = [place for place, entry in enumerate(entries.values()) if entry.ends <= self.hub.now()]
            vars(self.hub).setdefault("free", []).extend((self.run, place) for place in over)
            with super()._members() as table:
                yield table


@mutant(
    "close-ends-its-members",
    "close() ends the leases that were entered on the instance, to be tidy: a node that opens another one is gone.",
    "MEMBER-17",
    message="the members after all instances of the run had been closed",
)
class CloseEndsItsMembers(SoundMemory):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        lease = super().enter(payload, ttl)
        vars(self).setdefault("entered", []).append(lease)
        return lease

    def close(self) -> None:
        if not self._closed:
            for lease in vars(self).get("entered", ()):
                self.leave(lease)
        super().close()


@mutant(
    "renewed-by-its-instance",
    "A lease is renewed by the connection of the instance on which it was entered, and by no other.",
    "MEMBER-17",
    message="after the instance of the entry was closed",
)
class RenewedByItsInstance(SoundMemory):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        lease = super().enter(payload, ttl)
        vars(self.hub).setdefault("entered_on", {})[lease.id] = self
        return lease

    def refresh(self, member: MemberLease) -> bool:
        entered_on = vars(self.hub).get("entered_on", {}).get(member.id)
        return super().refresh(member) and not (entered_on and entered_on._closed)


MUTANTS = (
    ExpiryWakesNobody,
    AnAlarmForTheFirstEnd,
    AnAlarmForOne,
    AnEqualUpdateDoesNotRenew,
    RenewsByHalf,
    UpdateRenewsLater,
    ExpiredAreHiddenFirst,
    TheVersionCountsHeads,
    ANewcomerTakesAnEndedPlace,
    CloseEndsItsMembers,
    RenewedByItsInstance,
)
