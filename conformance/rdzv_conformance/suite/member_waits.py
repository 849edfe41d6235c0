"""RDZV-MEMBER-6, 7, 8, 9, 13 and 18: waits with any version, sequence numbers, versions by the hundred, leases."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import time
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Blamed, equal, shown, that
from rdzv_conformance.harness.load import slowness
from rdzv_conformance.harness.threads import Running
from rdzv_conformance.suite.malformed import MALFORMED, nearly
from rdzv_conformance.suite.pairs import two_members
from rdzv_core import SupportsMembership

TTL = 600.0
VERSIONS, LEAST_VERSIONS, VERSION_SECONDS = 520, 40, 1.5
BEHIND = 40
NEARLY = 7
"""Of the versions that are nearly the current one every so many is tried."""
SHORT = 0.3
LATE = 1.0
TRIES = 3
SOON = 5.0
LONG = 60.0


class MemberWaits:
    """A wait is about the version that it is given, and about nothing else."""

    @clause("RDZV-MEMBER-7")
    def test_RDZV_MEMBER_7_any_other_version_ends_the_wait_at_once(self, under_test: BackendUnderTest) -> None:
        """None, an old one, another run's, and what is no version: also while others wait with the current one."""
        one, other = two_members(under_test)
        elsewhere = under_test.needs(SupportsMembership, under_test.open(f"{under_test.run_id}-other"))
        limit = under_test.paced(SOON)
        waiting = Running(other.wait_members, None, limit)
        told = f"wait_members(None) has not returned after {limit:.0f} s where nobody is there"
        equal("what wait_members(None) gave where nobody is there", waiting.result(2 * limit, told), True)
        lease, theirs = one.enter(b"", TTL), elsewhere.enter(b"", TTL)
        versions = [other.members().version]
        for number in range(BEHIND):
            one.update(lease, b"%d" % number)
            elsewhere.update(theirs, b"%d" % number)
            versions.append(other.members().version)
        if len({*versions}) != len(versions):  # the cause, where nobody could be woken
            raise Blamed(f"{BEHIND} updates have left {len({*versions})} versions", ("RDZV-MEMBER-6",))
        waiting = Running(other.wait_members, versions[-1], under_test.paced(LONG))
        that(not waiting.ended(SHORT / 3), "wait_members(current version) returned though nothing had changed")
        others: dict[str, Any] = {"None": None, "of another run": elsewhere.members().version}
        others |= {f"{age} changes old": versions[-1 - age] for age in (1, 17, BEHIND)}
        nearly_all = (*MALFORMED, *nearly(versions[-1])[::NEARLY])
        others |= {shown(each, 40): each for each in nearly_all if each != versions[-1]}  # one says that it is equal
        begun = {what: Running(other.wait_members, version, 2 * limit) for what, version in others.items()}
        ends = time.monotonic() + limit
        for what, running in begun.items():
            told = f"wait_members with a version that is {what} has not returned after {limit:.0f} s"
            gave = running.result(max(0.0, ends - time.monotonic()), told)
            equal(f"what wait_members with a version that is {what} gave", gave, True)
        that(not waiting.ended(0.0), "wait_members(current version) returned though nothing had changed")
        one.update(lease, b"last")
        equal("what wait_members gave after an update", waiting.result(limit, "wait_members was not woken"), True)

    @clause("RDZV-MEMBER-7")
    def test_RDZV_MEMBER_7_what_is_no_change_ends_no_wait(self, under_test: BackendUnderTest) -> None:
        """A refresh, a refused renewal, a write, and what happens in another run: False, when its time is over."""
        one, other = two_members(under_test)
        register, elsewhere = under_test.open(), under_test.open(f"{under_test.run_id}-other")
        theirs = under_test.needs(SupportsMembership, elsewhere)
        lease, gone = one.enter(b"", TTL), one.enter(b"", TTL)
        one.leave(gone)
        late: list[float] = []
        while len(late) < TRIES and (not late or late[-1] > under_test.paced(LATE) * slowness()):
            version, began = other.members().version, time.monotonic()
            waiting = Running(other.wait_members, version, SHORT)
            one.refresh(lease)
            one.refresh(gone)
            found = register.get_state()
            register.write(b"a state", found and found.token)
            theirs.leave(theirs.enter(b"theirs", TTL))
            limit = under_test.paced(LONG)
            gave = waiting.result(limit, f"wait_members(…, {SHORT}) has not returned after {limit:.0f} s")
            took = time.monotonic() - began
            equal("what wait_members gave though its run's members had not changed", gave, False)
            that(took >= 0.95 * SHORT, f"wait_members(current version, {SHORT}) returned in vain after {took:.2f} s")
            late.append(took - SHORT)
        that(
            min(late) <= under_test.paced(LATE) * slowness(),
            f"wait_members(current version, {SHORT}) returned {min(late):.1f} s late or more, {TRIES} times",
        )

    @clause("RDZV-MEMBER-6")
    def test_RDZV_MEMBER_6_of_hundreds_of_versions_none_comes_again(self, under_test: BackendUnderTest) -> None:
        """More changes than a byte can count have more versions."""
        one, other = two_members(under_test)
        lease = one.enter(b"", TTL)
        ends = time.monotonic() + VERSION_SECONDS
        versions = [other.members().version]
        while len(versions) < LEAST_VERSIONS or (len(versions) < VERSIONS and time.monotonic() < ends):
            one.update(lease, b"%d" % (len(versions) % 2))
            versions.append(other.members().version)
        equal("the number of different versions", len({*versions}), len(versions))

    @clause("RDZV-MEMBER-18")
    def test_RDZV_MEMBER_18_a_lease_says_its_ttl(self, under_test: BackendUnderTest) -> None:
        """By what it says its member knows when to renew it."""
        one, _ = two_members(under_test)
        for ttl in (0.75, 1, 1.5, 60.0, 86_400):
            equal(f"the ttl of a lease that was entered with {ttl}", one.enter(b"", ttl).ttl, ttl)

    @clause("RDZV-MEMBER-20")
    def test_RDZV_MEMBER_20_the_incarnation_stays(self, under_test: BackendUnderTest) -> None:
        """Members come, change, and go, instances too: as long as one is there the incarnation is what it was."""
        one, other = two_members(under_test)
        stays = one.enter(b"stays", TTL)
        for turn in range(3):
            lease = other.enter(b"", TTL)
            one.update(stays, b"%d" % turn)
            other.leave(lease)
            third = under_test.needs(SupportsMembership, under_test.open())
            for backend in (one, other, third):
                for view in (backend.members(), backend.first(1)):
                    if stays.incarnation != view.incarnation or stays.incarnation != lease.incarnation:
                        raise Blamed(
                            f"the incarnations of two leases and of a view are {stays.incarnation!r}, "
                            f"{lease.incarnation!r} and {view.incarnation!r}, and no member was lost: it must stay",
                            ("RDZV-MEMBER-20",),
                        )
