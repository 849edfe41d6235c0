"""RDZV-MEMBER-1, 5, 11, 12, 13 and 19: members that enter at once, many of them, and views of one moment."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Blamed, equal, shown, that
from rdzv_conformance.harness.threads import Running, frequent_switches, race
from rdzv_conformance.suite.pairs import seen, two_members
from rdzv_core import Member, MemberLease, MembersView, SupportsMembership

TTL = 600.0
ENTERING, ENTRIES = 4, 6
MANY, LEAST_MANY, MANY_SECONDS = 1100, 40, 1.5
SIZE = 1000
SIZES = (255, 256, 1023, 1024, 1025, 2047, 2048, 4000, 4095, 4096)
CHANGES, LEAST_CHANGES, CHANGE_SECONDS = 400, 30, 0.25
READERS = 2
GONE = 20
LONG = 60.0


class _Entry(NamedTuple):
    lease: MemberLease
    began: float
    ended: float


class Views:
    """However many members there are, and whatever they do at once, who looks sees them as they are."""

    @clause("RDZV-MEMBER-1", "RDZV-MEMBER-13")
    def test_RDZV_MEMBER_1_of_those_who_enter_at_once_none_is_lost(self, under_test: BackendUnderTest) -> None:
        """Threads of three instances: each member is there, in a place of its own, behind whoever was there before."""
        backends = [*two_members(under_test), under_test.needs(SupportsMembership, under_test.open())]

        def enter(number: int) -> list[_Entry]:
            entries = []
            for turn in range(ENTRIES):
                began = time.monotonic()
                lease = backends[number % 3].enter(b"%d %d" % (number, turn), TTL)
                entries.append(_Entry(lease, began, time.monotonic()))
            return entries

        entries = [entry for each in race(ENTERING, enter, under_test.target.pace) for entry in each]
        found = [each.id for each in backends[0].members().members]
        _all_there(found, entries)
        _in_order(found, entries)
        aheads = [entry.lease.ahead for entry in sorted(entries, key=lambda entry: found.index(entry.lease.id))]
        if None not in aheads and aheads != [*range(len(entries))]:
            raise Blamed(
                f"{len(entries)} members entered at once, and in entry order their leases say that so many were ahead: "
                f"{aheads}; each must say how many were there when it entered",
                ("RDZV-MEMBER-13",),
            )

    @clause("RDZV-MEMBER-1")
    def test_RDZV_MEMBER_1_of_many_members_each_is_there(self, under_test: BackendUnderTest) -> None:
        """More than a page or a message holds: members, first and count know them all."""
        one, other = two_members(under_test)
        ends = time.monotonic() + MANY_SECONDS * under_test.target.pace
        leases: list[MemberLease] = []
        while len(leases) < LEAST_MANY or (len(leases) < MANY and time.monotonic() < ends):
            leases.append(one.enter(_bytes(len(leases), SIZE), TTL))
        many, view = len(leases), other.members()
        equal(f"how many of {many} members members() gives", len(view.members), many)
        expected = [(lease.id, _bytes(number, SIZE)) for number, lease in enumerate(leases)]
        that(seen(view) == expected, f"members() of {many} gives other ids or payloads, or another order")
        equal(f"count() of {many} members", other.count(), many)
        for k in (many - 1, many, many + 1):
            found = [each.id for each in other.first(k).members]
            that(
                found == [lease.id for lease in leases[:k]],
                f"first({k}) of {many} members gives {len(found)}, or others",
            )
        left, ends = 0, time.monotonic() + MANY_SECONDS * under_test.target.pace
        for lease in leases[1:-1]:
            if time.monotonic() > ends and left > LEAST_MANY:
                break
            one.leave(lease)
            left += 1
        told = f"members() after {left} of {many} left gives others, or in another order"
        that(seen(other.members()) == [expected[0], *expected[1 + left :]], told)

    @clause("RDZV-MEMBER-1")
    def test_RDZV_MEMBER_1_equal_payloads_are_several_members(self, under_test: BackendUnderTest) -> None:
        """Members of one host, or of one run after the other, have equal payloads, and ids that nobody else has."""
        one, other = two_members(under_test)
        elsewhere = under_test.needs(SupportsMembership, under_test.open(f"{under_test.run_id}-other"))
        same = b"a host name of forty bytes, and its port"
        leases = [backend.enter(same, TTL) for backend in (one, other, one)]
        theirs = [elsewhere.enter(same, TTL) for _ in range(2)]
        equal("the members", seen(other.members()), [(lease.id, same) for lease in leases])
        one.update(leases[1], b"another")
        one.update(leases[1], same)
        equal("the members after an update", seen(other.members()), [(lease.id, same) for lease in leases])
        ids = [lease.id for lease in (*leases, *theirs)]
        equal(f"the number of different ids of five entries in two runs ({ids})", len({*ids}), 5)

    @clause("RDZV-MEMBER-12")
    def test_RDZV_MEMBER_12_a_lease_of_another_run_is_none(self, under_test: BackendUnderTest) -> None:
        """On an instance of another run refresh and update say that there is no such member, and leave does nothing."""
        one, _ = two_members(under_test)
        other = under_test.needs(SupportsMembership, under_test.open(f"{under_test.run_id}-other"))
        other.enter(b"theirs", TTL)
        lease = one.enter(b"ours", TTL)
        equal("what refresh gave on an instance of another run", other.refresh(lease), False)
        equal("what update gave on an instance of another run", other.update(lease, b"foreign"), False)
        other.leave(lease)
        expected = [(lease.id, b"ours")]
        equal("the members after another run was given a lease of this one", seen(one.members()), expected)
        equal("the payloads of the other run", [each.payload for each in other.members().members], [b"theirs"])

    @clause("RDZV-MEMBER-11")
    def test_RDZV_MEMBER_11_a_payload_of_any_size_is_kept_whole(self, under_test: BackendUnderTest) -> None:
        """Up to 4096 bytes, by an update too; what is read is bytes."""
        one, other = two_members(under_test)
        lease = one.enter(b"first", TTL)
        for size in (*SIZES, *reversed(SIZES)):
            payload = _bytes(size, size)
            equal(f"what update with {size} bytes gave", one.update(lease, payload), True)
            found = other.members().members[0].payload
            that(found == payload, f"a payload of {size} bytes, set by update, came back with {len(found)}, or others")
            that(type(found) is bytes, f"a payload is read as {type(found).__name__}: it must be bytes")

    @clause("RDZV-MEMBER-5")
    def test_RDZV_MEMBER_5_of_many_who_left_none_comes_back(self, under_test: BackendUnderTest) -> None:
        """However many have left since, refresh and update of each give False."""
        one, other = two_members(under_test)
        stays = one.enter(b"stays", TTL)
        gone = [one.enter(b"%d" % number, TTL) for number in range(GONE)]
        for lease in gone:
            other.leave(lease)
        for lease in gone:
            equal(f"what refresh gave of one of {GONE} who left", one.refresh(lease), False)
            equal(f"what update gave of one of {GONE} who left", other.update(lease, b"back"), False)
        equal("the members after those who left were renewed", seen(other.members()), [(stays.id, b"stays")])

    @clause("RDZV-MEMBER-19")
    def test_RDZV_MEMBER_19_a_view_is_of_one_moment(self, under_test: BackendUnderTest) -> None:
        """While members come, change and go, each view has the members, in order, that belong to its version."""
        one, other = two_members(under_test)
        others = [other, under_test.needs(SupportsMembership, under_test.open())]
        leases = [one.enter(b"%d" % number, TTL) for number in range(4)]
        over = threading.Event()

        def read(number: int) -> list[MembersView]:
            views = []
            while not over.is_set():
                views.append(others[number].members())
            return views

        with frequent_switches():
            reading = [Running(read, number) for number in range(READERS)]
            try:
                truth = _change(one, leases, time.monotonic() + CHANGE_SECONDS * under_test.target.pace)
            finally:
                over.set()
            late = f"members() has not returned after {LONG:.0f} s"
            views = [view for each in reading for view in each.result(under_test.paced(LONG), late)]
        for view in views:
            that(view.version in truth, f"a view has the version {view.version!r}, which nobody else has read")
            that(
                view.members == truth[view.version],
                f"a view that was read while members came, changed and went shows {_told(view.members)}, and those of "
                f"its version are {_told(truth[view.version])}: it must be of one moment",
            )

    @clause("RDZV-MEMBER-19")
    def test_RDZV_MEMBER_19_a_view_stays_as_it_is(self, under_test: BackendUnderTest) -> None:
        """What somebody has read does not change when the members do."""
        one, other = two_members(under_test)
        lease = one.enter(b"first", TTL)
        views = [other.members(), other.first(5)]
        for view in views:
            that(isinstance(view.members, tuple), f"a view's members are {type(view.members).__name__}: a tuple")
            equal("the version of first(5), where members() was read", view.version, views[0].version)
        one.update(lease, b"second")
        one.enter(b"new", TTL)
        other.members()
        for view in views:
            equal("a view after the members have changed", seen(view), [(lease.id, b"first")])

    @clause("RDZV-MEMBER-19")
    def test_RDZV_MEMBER_19_a_read_just_after_a_change_shows_it(self, under_test: BackendUnderTest) -> None:
        """Each way to read has just been gone before the change; and all of them give one version."""
        one, other = two_members(under_test)
        leases = [one.enter(b"first", TTL)]
        changes: dict[str, tuple[Callable[[], object], list[bytes]]] = {
            "enter": (lambda: leases.append(one.enter(b"second", TTL)), [b"first", b"second"]),
            "update": (lambda: one.update(leases[0], b"changed"), [b"changed", b"second"]),
            "leave": (lambda: one.leave(leases[1]), [b"changed"]),
        }
        for what, (change, expected) in changes.items():
            for read in (other.members, lambda: other.first(9), other.count):
                read()
            change()
            equal(f"count() just after {what} on another instance", other.count(), len(expected))
            for k, view in ((9, other.first(9)), (1, other.first(1)), (0, other.first(0)), (9, other.members())):
                equal(f"the payloads just after {what}", [each.payload for each in view.members], expected[:k])
            versions = [other.first(k).version for k in (0, 1, 9)]
            equal(f"the versions of first(0), first(1) and first(9) after {what}", versions, [view.version] * 3)


def _change(members: SupportsMembership, leases: list[MemberLease], ends: float) -> dict[object, Sequence[Member]]:
    """Let members come, change and go; return who was there at each version, which nobody else changes."""
    truth: dict[object, Sequence[Member]] = {}
    view = members.members()
    truth[view.version] = view.members
    for turn in range(CHANGES):
        if turn >= LEAST_CHANGES and time.monotonic() > ends:
            break
        if turn % 3 == 0:
            members.update(leases[turn % len(leases)], b"%d" % turn)
        elif turn % 3 == 1:
            members.leave(leases.pop(turn % len(leases)))
        else:
            leases.append(members.enter(b"%d" % turn, TTL))
        view = members.members()
        truth[view.version] = view.members
    return truth


def _all_there(found: Sequence[str], entries: Sequence[_Entry]) -> None:
    lost = [entry.lease.id for entry in entries if entry.lease.id not in found]
    twice = len(found) - len({*found})
    if lost or twice or len(found) != len(entries):
        raise Blamed(
            f"of {len(entries)} members that entered at once {len(lost)} are not there: members() gives {len(found)}, "
            f"{twice} of them twice",
            ("RDZV-MEMBER-1",),
        )


def _in_order(found: Sequence[str], entries: Sequence[_Entry]) -> None:
    stand = sorted(entries, key=lambda entry: found.index(entry.lease.id))
    for number, entry in enumerate(stand):
        if any(later.ended < entry.began for later in stand[number + 1 :]):
            raise Blamed(
                "of members that entered at once one stands before another whose entry had ended when its own began",
                ("RDZV-MEMBER-1",),
            )


def _bytes(name: int, size: int) -> bytes:
    return hashlib.shake_128(b"%d" % name).digest(size)


def _told(members: Sequence[Member]) -> str:
    return shown([(each.id[:4], each.payload) for each in members])
