"""RDZV-MEMBER: who is there."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import re
import time

from rdzv_conformance.clauses import clause
from rdzv_conformance.expect import equal, that
from rdzv_conformance.subject import Subject
from rdzv_conformance.threads import Running
from rdzv_core import MembersView, SupportsMembership

TTL = 60.0
SHORT_TTL = 1.0
LONG = 30.0
SOON = 5.0
EXPIRES_WITHIN = 20.0


class Membership:
    """A member is there while it says so, and once gone stays gone."""

    @clause("RDZV-MEMBER-1")
    def test_RDZV_MEMBER_1_members_are_listed_in_entry_order(self, subject: Subject) -> None:
        """Every entry has a new id of 128 bits and stands behind those who were there."""
        one, other = _two(subject)
        leases = [(one, other)[number % 2].enter(b"%d" % number, TTL) for number in range(5)]
        ids = [lease.id for lease in leases]
        equal("the number of different ids of five entries", len(set(ids)), 5)
        for member in ids:
            that(re.fullmatch(r"[0-9a-f]{32}", member), f"the member id {member!r} is not 32 hexadecimal digits")
        for backend in (one, other):
            view = backend.members()
            equal("the members' ids", [member.id for member in view.members], ids)
            equal("the members' payloads", [member.payload for member in view.members], [b"0", b"1", b"2", b"3", b"4"])
            equal("count()", backend.count(), 5)
            equal("first(2)", [member.id for member in backend.first(2).members], ids[:2])

    @clause("RDZV-MEMBER-2")
    def test_RDZV_MEMBER_2_update_replaces_the_payload(self, subject: Subject) -> None:
        """After update everybody sees the new payload, in the same place."""
        one, other = _two(subject)
        first, second = one.enter(b"first", TTL), one.enter(b"second", TTL)
        equal("what update gave", one.update(first, b"new"), True)
        equal("the members", _seen(other.members()), [(first.id, b"new"), (second.id, b"second")])

    @clause("RDZV-MEMBER-3")
    def test_RDZV_MEMBER_3_who_refreshes_stays(self, subject: Subject) -> None:
        """Beyond its ttl a member that refreshes is there; one that does not has ended meanwhile."""
        one, other = _two(subject)
        stays, goes = one.enter(b"stays", SHORT_TTL), one.enter(b"goes", SHORT_TTL)
        ends = time.monotonic() + EXPIRES_WITHIN
        version = other.members().version
        while goes.id in [member.id for member in other.members().members]:
            equal("what refresh of a member in time gave", one.refresh(stays), True)
            that(time.monotonic() < ends, f"a member with a ttl of {SHORT_TTL} s is there after {EXPIRES_WITHIN:.0f} s")
            other.wait_members(version, SHORT_TTL / 4)
        equal("the members", _seen(other.members()), [(stays.id, b"stays")])

    @clause("RDZV-MEMBER-4")
    def test_RDZV_MEMBER_4_an_ended_membership_stays_ended(self, subject: Subject) -> None:
        """Who missed its ttl gets False from refresh and update, for ever."""
        one, other = _two(subject)
        lease = one.enter(b"goes", SHORT_TTL)
        _await_end(other, lease.id)
        for _ in range(2):
            equal("what refresh of an ended membership gave", one.refresh(lease), False)
            equal("what update of an ended membership gave", one.update(lease, b"back"), False)
        equal("count()", other.count(), 0)

    @clause("RDZV-MEMBER-5")
    def test_RDZV_MEMBER_5_leave_ends_a_membership(self, subject: Subject) -> None:
        """Who left is gone at once; leaving again is no error."""
        one, other = _two(subject)
        first, second = one.enter(b"first", TTL), one.enter(b"second", TTL)
        one.leave(first)
        equal("the members", _seen(other.members()), [(second.id, b"second")])
        one.leave(first)
        equal("what refresh gave after leave", one.refresh(first), False)
        equal("what update gave after leave", one.update(first, b"back"), False)
        equal("count()", other.count(), 1)

    @clause("RDZV-MEMBER-6")
    def test_RDZV_MEMBER_6_the_version_tells_a_change(self, subject: Subject) -> None:
        """Entering, a new payload and leaving change the version; refreshing does not."""
        one, other = _two(subject)
        versions = [other.members().version]
        lease = one.enter(b"a", TTL)
        versions.append(other.members().version)
        one.update(lease, b"b")
        versions.append(other.members().version)
        one.refresh(lease)
        equal("the version after a refresh", other.members().version, versions[-1])
        one.leave(lease)
        versions.append(other.members().version)
        equal("the number of different versions", len(set(versions)), 4)

    @clause("RDZV-MEMBER-7")
    def test_RDZV_MEMBER_7_a_change_ends_the_wait(self, subject: Subject) -> None:
        """wait_members ends with the next change, at once after one, and in vain after its timeout."""
        one, other = _two(subject)
        version = other.members().version
        equal("what wait_members gave in vain", other.wait_members(version, 0.2), False)
        waiting = Running(other.wait_members, version, LONG)
        that(not waiting.ended(0.2), "wait_members(current version) returned though nothing had changed")
        one.enter(b"new", TTL)
        for each in (waiting, Running(other.wait_members, version, LONG)):
            gave = each.result(SOON, f"wait_members has not returned {SOON:.0f} s after a change")
            equal("what wait_members gave after a change", gave, True)


def _two(subject: Subject) -> tuple[SupportsMembership, SupportsMembership]:
    return subject.needs(SupportsMembership, subject.open()), subject.needs(SupportsMembership, subject.open())


def _seen(view: MembersView) -> list[tuple[str, bytes]]:
    return [(member.id, member.payload) for member in view.members]


def _await_end(backend: SupportsMembership, member: str) -> None:
    ends = time.monotonic() + EXPIRES_WITHIN
    while True:
        view = backend.members()
        if member not in [each.id for each in view.members]:
            return
        that(time.monotonic() < ends, f"a member with a ttl of {SHORT_TTL} s is there after {EXPIRES_WITHIN:.0f} s")
        backend.wait_members(view.version, SHORT_TTL)
