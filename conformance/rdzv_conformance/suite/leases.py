"""RDZV-MEMBER-1, 2, 5, 6, 11, 12 and 17: places, renewals, versions and payloads, and leases in other hands."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import time

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Blamed, equal, shown, that
from rdzv_conformance.suite.awkward import TWINS, awkward_values
from rdzv_conformance.suite.pairs import two_members
from rdzv_core import MembersView, SupportsDelete, SupportsMembership

TTL = 60.0
SHORT_TTL = 1.0
ENDS_WITHIN = 12.0
UPDATES = 40
MOST_PAYLOAD = 4096
LARGE_TWINS = tuple(
    (bytes(at) + b"1" + bytes(4095 - at), bytes(at) + b"2" + bytes(4095 - at)) for at in (0, 2047, 4095)
)
PURPOSES = (
    *("", "member", "members", "lease", "leases", "ttl", "version", "count", "order", "lock"),
    *("state", "store", "stores", "members/x", "members:x"),
)
"""Of registers that may be taken for what a backend keeps members in."""


class Leases:
    """A lease is renewed, keeps its place, and is one wherever it is used."""

    @clause("RDZV-MEMBER-1")
    def test_RDZV_MEMBER_1_a_newcomer_takes_nobodys_place(self, under_test: BackendUnderTest) -> None:
        """Whoever has left, the next one stands last; an update or a refresh moves nobody."""
        one, other = two_members(under_test)
        leases = [one.enter(b"%d" % number, TTL) for number in range(4)]
        for gone in (leases[1], leases[0]):
            one.leave(gone)
            leases.remove(gone)
            leases.append(other.enter(b"new", TTL))
            one.refresh(leases[0])
            one.update(leases[1], b"changed")
            found = [each.id for each in other.members().members]
            equal("the members' ids after one had left and another entered", found, [each.id for each in leases])

    @clause("RDZV-MEMBER-2")
    def test_RDZV_MEMBER_2_an_update_renews_the_lease(self, under_test: BackendUnderTest) -> None:
        """A member that only updates is there when one that does not has ended, and has a whole ttl then."""
        one, other = two_members(under_test)
        ttl = under_test.paced(SHORT_TTL)
        stays, goes = one.enter(b"0", ttl), one.enter(b"goes", ttl)
        ends = time.monotonic() + under_test.paced(ENDS_WITHIN)
        number = 0
        while goes.id in _ids(other.members()):
            number += 1
            equal("what update of a member in time gave", one.update(stays, b"%d" % number), True)
            _ends_in_time(ends, ttl)
            other.wait_members(other.members().version, ttl / 4)
        equal("the members after one had updated, and the other had not,", _ids(other.members()), [stays.id])

    @clause("RDZV-MEMBER-2", "RDZV-MEMBER-6")
    def test_RDZV_MEMBER_2_nearly_the_same_payload_replaces_it(self, under_test: BackendUnderTest) -> None:
        """Of the same length, checksum, beginning or end, and back again: it is another payload, and a change."""
        one, other = two_members(under_test)
        lease = one.enter(b"first", TTL)
        before = other.members().version
        for twins in (*TWINS, *LARGE_TWINS):
            for payload in (*twins, *twins) if max(map(len, twins)) <= MOST_PAYLOAD else ():
                equal(f"what update with {shown(payload, 40)} gave", one.update(lease, payload), True)
                view = other.members()
                that(
                    view.members[0].payload == payload,
                    f"after an update the payload is {shown(view.members[0].payload, 40)}, and not the new one, "
                    f"{shown(payload, 40)}, which is nearly the same",
                )
                if view.version == before:
                    told = f"an update with nearly the same payload left the version as it was, {before!r}"
                    raise Blamed(told, ("RDZV-MEMBER-6",))
                before = view.version

    @clause("RDZV-MEMBER-5", "RDZV-MEMBER-6")
    def test_RDZV_MEMBER_5_leaving_what_has_ended_changes_nothing(self, under_test: BackendUnderTest) -> None:
        """A membership that ran out, or that was left, is left once more: nobody else goes, and nothing is raised."""
        one, other = two_members(under_test)
        over = one.enter(b"over", under_test.paced(SHORT_TTL))
        left = one.enter(b"left", TTL)
        one.leave(left)
        ends = time.monotonic() + under_test.paced(ENDS_WITHIN)
        while over.id in _ids(view := other.members()):
            _ends_in_time(ends, under_test.paced(SHORT_TTL))
            other.wait_members(view.version, under_test.paced(SHORT_TTL))
        stays = [one.enter(b"stays", TTL), other.enter(b"stays too", TTL)]
        version = other.members().version
        for lease in (over, left, over):
            one.leave(lease)
        view = other.members()
        equal("the members after ended ones had left again", _ids(view), [each.id for each in stays])
        equal("the version after ended ones had left again", view.version, version)
        for what, lease in (("over", over), ("left", left)):
            one.update(lease, b"back")
            one.refresh(lease)
            if (found := other.members().version) != version:
                told = f"a renewal of a membership that is {what} changed the version from {version!r} to {found!r}"
                raise Blamed(told, ("RDZV-MEMBER-6",))

    @clause("RDZV-MEMBER-6")
    def test_RDZV_MEMBER_6_no_version_comes_again(self, under_test: BackendUnderTest) -> None:
        """Forty changes, of which many lead back to what was there before, have forty versions."""
        one, other = two_members(under_test)
        lease = one.enter(b"a", TTL)
        versions = [other.members().version]
        for number in range(UPDATES):
            one.update(lease, (b"b", b"a")[number % 2])
            versions.append(other.members().version)
            equal("the version that the two instances read", one.members().version, versions[-1])
        for _ in range(4):
            one.leave(one.enter(b"passes", TTL))
            versions.append(other.members().version)
        equal("the number of different versions", len({*versions}), len(versions))

    @clause("RDZV-MEMBER-6")
    def test_RDZV_MEMBER_6_the_end_of_a_lease_changes_the_version(self, under_test: BackendUnderTest) -> None:
        """When a member has run out of time the version is another one."""
        one, other = two_members(under_test)
        goes = one.enter(b"goes", under_test.paced(SHORT_TTL))
        before = other.members()
        ends = time.monotonic() + under_test.paced(ENDS_WITHIN)
        while goes.id in _ids(view := other.members()):
            _ends_in_time(ends, under_test.paced(SHORT_TTL))
            other.wait_members(view.version, under_test.paced(SHORT_TTL) / 4)
        that(view.version != before.version, f"a member's ttl was over, and the version is still {view.version!r}")

    @clause("RDZV-MEMBER-11")
    def test_RDZV_MEMBER_11_a_payload_is_kept_byte_for_byte(self, under_test: BackendUnderTest) -> None:
        """Nobody looks into it, decodes it or strips it: when one enters, and by an update."""
        one, other = two_members(under_test)
        values = [value for value in awkward_values() if len(value) <= MOST_PAYLOAD]
        lease = one.enter(b"first", TTL)
        for number, value in enumerate(values):
            if number % 10 == 0:  # a few enter with it
                one.leave(lease)
                lease = one.enter(value, TTL)
            else:
                one.update(lease, value)
            found = [each.payload for each in other.members().members]
            that(found == [value], f"the payload {shown(value)} is read as {shown(found)}")

    @clause("RDZV-MEMBER-12")
    def test_RDZV_MEMBER_12_a_register_takes_no_member_along(self, under_test: BackendUnderTest) -> None:
        """The run's register and its siblings are written and deleted: who is there stays, under the same version."""
        register = under_test.open()
        members = under_test.needs(SupportsMembership, register)
        other = under_test.needs(SupportsMembership, under_test.open())
        leases = [members.enter(b"%d" % number, TTL) for number in range(2)]
        before = other.members()
        for purpose in PURPOSES:
            there = register.sibling(purpose) if purpose else register
            token = there.write(b"a state")
            _unchanged(other, before, f"the register for {purpose!r} was written")
            if isinstance(there.backend, SupportsDelete):
                there.write(b"another state", token)
                that(there.delete_state(), f"delete_state() of the register for {purpose!r} gave False")
                _unchanged(other, before, f"the register for {purpose!r} was deleted")
        for lease in leases:
            equal("what refresh gave after registers were written and deleted", members.refresh(lease), True)

    @clause("RDZV-MEMBER-17")
    def test_RDZV_MEMBER_17_a_lease_works_on_every_instance_of_its_run(self, under_test: BackendUnderTest) -> None:
        """One instance has entered; another refreshes, updates, and leaves, and the first one sees it."""
        one, other = two_members(under_test)
        lease = one.enter(b"first", TTL)
        equal("what refresh on another instance gave", other.refresh(lease), True)
        equal("what update on another instance gave", other.update(lease, b"second"), True)
        equal("the payload after an update on another instance", one.members().members[0].payload, b"second")
        version = other.members().version
        equal("what refresh gave after an update on another instance", one.refresh(lease), True)
        view = other.members()
        told = "the payload after an update on one instance, and a refresh on the one of the entry,"
        equal(told, view.members[0].payload, b"second")
        equal("the version after a refresh on the instance of the entry", view.version, version)
        equal("what update gave after one on another instance", one.update(lease, b"third"), True)
        equal("what refresh gave after an update on the instance of the entry", other.refresh(lease), True)
        told = "the payload after an update on the instance of the entry, and a refresh on another one,"
        equal(told, one.members().members[0].payload, b"third")
        other.leave(lease)
        equal("the members after leave on another instance", _ids(one.members()), [])
        equal("what refresh gave after leave on another instance", one.refresh(lease), False)


def _unchanged(members: SupportsMembership, before: MembersView, what: str) -> None:
    view = members.members()
    equal(f"the members after {what}", _ids(view), _ids(before))
    equal(f"the version of the members after {what}", view.version, before.version)


def _ends_in_time(ends: float, ttl: float) -> None:
    """Fail the clause about it if a member should have ended by now."""
    if time.monotonic() > ends:
        raise Blamed(f"a member with a ttl of {ttl:.1f} s is there long after it", ("RDZV-MEMBER-4",))


def _ids(view: MembersView) -> list[str]:
    return [each.id for each in view.members]
