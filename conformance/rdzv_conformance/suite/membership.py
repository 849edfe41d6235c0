"""RDZV-MEMBER: the members of a run."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from rdzv_conformance.contract.labels import clause, early
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Blamed, Unsupported, Untested, equal, raises, that
from rdzv_conformance.harness.proxy import Proxy
from rdzv_conformance.harness.threads import Running
from rdzv_conformance.suite.durable import needs_restart
from rdzv_conformance.suite.outages import await_return, through_proxy
from rdzv_conformance.suite.pairs import seen, two_members
from rdzv_core import MemberLease, MembersView, RendezvousConnectionError, SupportsMembership

TTL = 60.0
SHORT_TTL = 1.0
LONG = 30.0
SOON = 5.0
EXPIRES_WITHIN = 12.0
SETTLES = 0.2
CHANGES = 3
ENDING = 10
RENEWED = 15
"""More seconds, at a ttl each, or at one for each that ends, than are waited."""
AWAY = 3.0
"""Seconds for which a connection is lost: longer than any store takes to find out that a process was killed."""


class Membership:
    """A member is there while it says so, and once gone stays gone."""

    @clause("RDZV-MEMBER-1")
    def test_RDZV_MEMBER_1_members_are_listed_in_entry_order(self, under_test: BackendUnderTest) -> None:
        """Every entry has a new id of 128 bits and stands behind those who were there."""
        one, other = two_members(under_test)
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
            for k in (2, 0, 9):
                equal(f"first({k})", [member.id for member in backend.first(k).members], ids[:k])

    @clause("RDZV-MEMBER-2")
    def test_RDZV_MEMBER_2_update_replaces_the_payload(self, under_test: BackendUnderTest) -> None:
        """After update everybody sees the new payload, in the same place."""
        one, other = two_members(under_test)
        first, second = one.enter(b"first", TTL), one.enter(b"second", TTL)
        equal("what update gave", one.update(first, b"new"), True)
        equal("the members", seen(other.members()), [(first.id, b"new"), (second.id, b"second")])

    @clause("RDZV-MEMBER-3")
    def test_RDZV_MEMBER_3_who_refreshes_stays(self, under_test: BackendUnderTest) -> None:
        """Beyond its ttl a member that refreshes is there; one that does not has ended meanwhile."""
        one, other = two_members(under_test)
        stays, goes = (
            one.enter(b"stays", under_test.paced(SHORT_TTL)),
            one.enter(b"goes", under_test.paced(SHORT_TTL)),
        )
        ends = time.monotonic() + under_test.paced(EXPIRES_WITHIN)
        version = other.members().version
        while goes.id in [member.id for member in other.members().members]:
            equal("what refresh of a member in time gave", one.refresh(stays), True)
            that(time.monotonic() < ends, _still_there(under_test))
            other.wait_members(version, under_test.paced(SHORT_TTL) / 4)
        equal("the members", seen(other.members()), [(stays.id, b"stays")])

    @clause("RDZV-MEMBER-4")
    def test_RDZV_MEMBER_4_an_ended_membership_stays_ended(self, under_test: BackendUnderTest) -> None:
        """A member that missed its ttl gets False from refresh and update, for ever; many end as one does."""
        one, other = two_members(under_test)
        leases = [one.enter(b"goes", under_test.paced(SHORT_TTL)) for _ in range(ENDING)]
        for _ in range(RENEWED):  # often, and for one ttl from the last time all the same
            one.refresh(leases[0])
        ends = time.monotonic() + under_test.paced(EXPIRES_WITHIN)
        for lease in leases:
            _await_end(under_test, other, lease.id, ends)
        for lease in leases * 2:
            equal("what refresh of an ended membership gave", one.refresh(lease), False)
            equal("what update of an ended membership gave", one.update(lease, b"back"), False)
        equal("count()", other.count(), 0)

    @clause("RDZV-MEMBER-5")
    def test_RDZV_MEMBER_5_leave_ends_a_membership(self, under_test: BackendUnderTest) -> None:
        """A member that left is gone at once; leaving again is not an error."""
        one, other = two_members(under_test)
        first, second = one.enter(b"first", TTL), one.enter(b"second", TTL)
        one.leave(first)
        equal("the members", seen(other.members()), [(second.id, b"second")])
        one.leave(first)
        equal("what refresh gave after leave", one.refresh(first), False)
        equal("what update gave after leave", one.update(first, b"back"), False)
        equal("count()", other.count(), 1)

    @clause("RDZV-MEMBER-6")
    def test_RDZV_MEMBER_6_the_version_tells_a_change(self, under_test: BackendUnderTest) -> None:
        """Entering, a new payload and leaving change the version; refreshing does not."""
        one, other = two_members(under_test)
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
    def test_RDZV_MEMBER_7_a_change_ends_the_wait(self, under_test: BackendUnderTest) -> None:
        """wait_members ends with the next change, at once after one, and in vain after its timeout."""
        one, other = two_members(under_test)
        version = other.members().version
        equal("what wait_members gave in vain", other.wait_members(version, 0.2), False)
        leases: list[MemberLease] = []
        _ends_the_wait(under_test, other, "a member entered", lambda: leases.append(one.enter(b"new", TTL)))
        _ends_the_wait(under_test, other, "an update", lambda: one.update(leases[0], b"newer"))
        _ends_the_wait(under_test, other, "a member left", lambda: one.leave(leases[0]))

    @clause("RDZV-MEMBER-7")
    def test_RDZV_MEMBER_7_the_end_of_a_lease_ends_the_wait(self, under_test: BackendUnderTest) -> None:
        """A waiting thread learns that a member has run out of time, though no other call is made."""
        one, other = two_members(under_test)
        one.enter(b"goes", under_test.paced(SHORT_TTL))
        version = other.members().version
        gave = other.wait_members(version, under_test.paced(EXPIRES_WITHIN))
        # That it ends at all is MEMBER-4's.
        if other.members().version != version:
            equal("what wait_members gave when a member's ttl was over", gave, True)

    @clause("RDZV-MEMBER-9", "RDZV-MEMBER-6")
    def test_RDZV_MEMBER_9_a_store_that_lost_the_members_has_a_new_incarnation(
        self, under_test: BackendUnderTest
    ) -> None:
        """After the loss nobody is there, the incarnation is another, and who waited or refreshes learns of it."""
        one, other = two_members(under_test)
        lease = one.enter(b"lost", TTL)
        versions = [other.members().version]
        for number in range(CHANGES):
            one.update(lease, b"%d" % number)
            versions.append(other.members().version)
        before = other.members()
        equal("the incarnation of the lease", lease.incarnation, before.incarnation)
        if under_test.helpers.lose_members is not None:
            waiting = Running(other.wait_members, before.version, under_test.paced(LONG))
            waiting.ended(under_test.paced(SETTLES))
            under_test.helpers.lose_members(under_test.parameters())
            gave = waiting.result(
                under_test.paced(SOON),
                f"wait_members has not returned {under_test.paced(SOON):.0f} s after the members were lost",
            )
            equal("what a wait gave that had begun before the members were lost", gave, True)
        elif under_test.helpers.restart_without_data is not None:
            under_test.helpers.restart_without_data()
            await_return(under_test, under_test.open())
            under_test.keep_again()
        else:
            _untested("needs the helper lose_members(params) or restart_without_data()")
        equal(
            "what wait_members gave after the members were lost",
            other.wait_members(before.version, under_test.paced(SOON)),
            True,
        )
        view = other.members()
        that(
            view.incarnation != before.incarnation,
            f"after the members were lost the incarnation is still {view.incarnation!r}: it must be new",
        )
        equal("the members after they were lost", seen(view), [])
        equal("what refresh of a lost member gave", one.refresh(lease), False)
        again = one.enter(b"again", TTL)
        equal("the incarnation of a new lease", again.incarnation, view.incarnation)
        equal("the members", seen(other.members()), [(again.id, b"again")])
        for number in range(2 * CHANGES):
            if other.members().version in versions:
                raise Blamed(
                    f"after the members were lost and others came, the version is {other.members().version!r}, which "
                    "was there before: who has waited with it since then is not woken",
                    ("RDZV-MEMBER-6",),
                )
            one.update(again, b"%d" % number)

    @early
    @clause("RDZV-MEMBER-10")
    def test_RDZV_MEMBER_10_after_a_stall_everybody_has_a_fresh_ttl(self, under_test: BackendUnderTest) -> None:
        """A store that stood still for longer than a ttl ends nobody at once; who stays away then does end."""
        one, other = two_members(under_test)
        pause, resume = under_test.helpers.pause, under_test.helpers.resume
        if pause is None or resume is None:
            if under_test.open().backend.topology == "process":
                raise Unsupported("store and members are one process, and stall together")
            raise Untested("needs the helpers pause() and resume(), which let the store stand still")
        ttl = 2 * under_test.paced(SHORT_TTL)
        lease = one.enter(b"stays", ttl)
        pause()
        try:
            threading.Event().wait(1.5 * ttl)  # nothing can be awaited: that the store stands still is the point
        finally:
            resume()
        view = _when_it_answers(under_test, other)
        that(
            lease.id in [member.id for member in view.members],
            f"a store that stood still for {1.5 * ttl:.1f} s ended a member with a ttl of {ttl:.1f} s at once: it must "
            "grant a fresh ttl",
        )
        equal("what refresh gave after the store stood still", one.refresh(lease), True)
        _await_end(under_test, other, lease.id)

    @clause("RDZV-MEMBER-11")
    def test_RDZV_MEMBER_11_payloads_and_ttls_have_bounds(self, under_test: BackendUnderTest) -> None:
        """4096 bytes of any value are kept; more, and a ttl that is none, are refused and change nothing."""
        one, other = two_members(under_test)
        largest = bytes(range(256)) * 16
        lease = one.enter(largest, TTL)
        for ttl in (0.0, -1.0, math.nan, math.inf):
            raises(ValueError, f"enter(b'', {ttl})", one.enter, b"", ttl)
        raises(ValueError, "enter with 4097 bytes", one.enter, largest + b"x", TTL)
        raises(ValueError, "update with 4097 bytes", one.update, lease, largest + b"x")
        equal("the members", seen(other.members()), [(lease.id, largest)])
        equal("what update with nothing gave", one.update(lease, b""), True)
        equal("the members", seen(other.members()), [(lease.id, b"")])

    @clause("RDZV-MEMBER-12")
    def test_RDZV_MEMBER_12_runs_share_no_member(self, under_test: BackendUnderTest) -> None:
        """A member of one run is not seen in another, and leaving one changes nothing in the other."""
        one, _ = two_members(under_test)
        other = under_test.needs(SupportsMembership, under_test.open(f"{under_test.run_id}-other"))
        lease, theirs = one.enter(b"one", TTL), other.enter(b"other", TTL)
        equal("the members of a run", seen(one.members()), [(lease.id, b"one")])
        equal("the members of another run", seen(other.members()), [(theirs.id, b"other")])
        one.leave(lease)
        equal("the members of a run after somebody left another", seen(other.members()), [(theirs.id, b"other")])

    @clause("RDZV-MEMBER-13")
    def test_RDZV_MEMBER_13_a_lease_tells_who_was_there(self, under_test: BackendUnderTest) -> None:
        """`ahead` counts the members of the same run, and only those that are there by then."""
        one, other = two_members(under_test)
        elsewhere = under_test.needs(SupportsMembership, under_test.open(f"{under_test.run_id}-other"))
        elsewhere.enter(b"elsewhere", TTL)
        leases = []
        for backend in (one, other, one):
            there = len(other.members().members)
            lease = backend.enter(b"%d" % there, TTL)
            if lease.ahead is None:
                raise Unsupported("a lease does not say how many members were there when it entered")
            equal(f"what the lease of an entry after {there} members says is ahead of it", lease.ahead, there)
            leases.append(lease)
        one.leave(leases[0])
        there = len(other.members().members)
        equal("what a lease says is ahead after somebody left", other.enter(b"last", TTL).ahead, there)

    @early
    @clause("RDZV-MEMBER-14")
    def test_RDZV_MEMBER_14_a_member_stays_whatever_becomes_of_its_connection(
        self, under_test: BackendUnderTest
    ) -> None:
        """Connections end in order at both ends, are reset, or fall silent: the member is there, and goes on."""
        ways: dict[str, tuple[Callable[[Proxy], None], Callable[[Proxy], None]]] = {
            "ended in order": (lambda proxy: proxy.cut(in_order=True), Proxy.restore),
            "were reset": (Proxy.cut, Proxy.restore),
            "fell silent": (Proxy.pause, Proxy.resume),
        }
        for way, (lose, bring_back) in ways.items():
            run_id = f"{under_test.run_id}-{way}"
            with through_proxy(under_test, run_id) as (register, proxy):
                member = under_test.needs(SupportsMembership, register)
                watching = under_test.needs(SupportsMembership, under_test.open(run_id))
                lease = member.enter(b"lives", TTL)
                equal("what refresh gave", member.refresh(lease), True)
                lose(proxy)
                refreshing = Running(_refreshed, member, lease)
                _stays(under_test, watching, lease, f"its connections {way}")
                gave = refreshing.result(under_test.paced(LONG), f"refresh has not ended after the connections {way}")
                that(
                    gave is not False,
                    f"refresh gave False {AWAY:.0f} s after the connections {way}, of a member with a ttl of "
                    f"{TTL:.0f} s: that ends its work, and the store has not said that it has ended",
                )
                bring_back(proxy)
                ends = time.monotonic() + under_test.paced(EXPIRES_WITHIN)
                while (gave := _refreshed(member, lease)) is None:
                    that(time.monotonic() < ends, f"refresh still fails long after the connections that {way} are back")
                    threading.Event().wait(0.05)  # between two attempts; nobody tells when it is there
                equal(f"what refresh gave when the connections that {way} were back", gave, True)
                equal("the members", seen(watching.members()), [(lease.id, b"lives")])
                member.leave(lease)

    @clause("RDZV-MEMBER-15")
    def test_RDZV_MEMBER_15_a_durable_store_keeps_its_members(self, under_test: BackendUnderTest) -> None:
        """It is killed and started again: its members are there, in order, those that left are not, and all goes on."""
        two_members(under_test)
        restart = needs_restart(under_test)
        registers = [
            under_test.open(**under_test.target.as_client(), **under_test.target.impatient()) for _ in range(2)
        ]
        one, other = (under_test.needs(SupportsMembership, register) for register in registers)
        leases = [(one, other)[number % 2].enter(b"%d" % number, TTL) for number in range(4)]
        equal("what update gave", one.update(leases[3], b"new"), True)
        one.leave(leases[0])
        before = other.members()
        restart()
        for register in registers:
            await_return(under_test, register)
        after = other.members()
        equal("the members after the store was killed and started again", seen(after), seen(before))
        equal("the incarnation after the store was killed and started again", after.incarnation, before.incarnation)
        for lease in leases[1:]:
            equal("what refresh gave after the store was started again", one.refresh(lease), True)
        equal("what refresh of one who had left gave after that", one.refresh(leases[0]), False)
        last = one.enter(b"last", TTL)
        equal("the members", seen(other.members()), [*seen(before), (last.id, b"last")])


def _untested(why: str) -> NoReturn:
    raise Untested(why)


def _refreshed(backend: SupportsMembership, lease: MemberLease) -> bool | None:
    """Refresh; None where the store cannot be reached."""
    try:
        return backend.refresh(lease)
    except RendezvousConnectionError:
        return None


def _stays(under_test: BackendUnderTest, backend: SupportsMembership, lease: MemberLease, after: str) -> None:
    """Watch a member for a while in which it has to stay."""
    ends = time.monotonic() + under_test.paced(AWAY)
    while (left := ends - time.monotonic()) > 0:
        view = backend.members()
        that(
            lease.id in [member.id for member in view.members],
            f"{under_test.paced(AWAY) - left:.1f} s after {after} a member with a ttl of {TTL:.0f} s is gone: only its "
            "process may end it before that",
        )
        backend.wait_members(view.version, left)


def _when_it_answers(under_test: BackendUnderTest, backend: SupportsMembership) -> MembersView:
    ends = time.monotonic() + under_test.paced(EXPIRES_WITHIN)
    while True:
        try:
            return backend.members()
        except RendezvousConnectionError as error:
            that(
                time.monotonic() < ends,
                f"{under_test.paced(EXPIRES_WITHIN):.0f} s after the store went on members() raises {error}",
            )
            threading.Event().wait(0.05)  # between two attempts; what is awaited tells nobody when it is there


def _ends_the_wait(
    under_test: BackendUnderTest, waiter: SupportsMembership, what: str, change: Callable[[], object]
) -> None:
    version, soon = waiter.members().version, under_test.paced(SOON)
    waiting = Running(waiter.wait_members, version, soon)
    that(
        not waiting.ended(under_test.paced(SETTLES)),
        "wait_members(current version) returned though nothing had changed",
    )
    change()
    # No other call before this one has ended: it could be what wakes a backend that the change itself does not wake.
    gave = waiting.result(2 * soon, f"wait_members(…, {soon:.0f}) has not returned after {2 * soon:.0f} s: {what}")
    if waiter.members().version == version:
        return  # what changes the version is MEMBER-6's
    equal(f"what wait_members gave after {what}", gave, True)
    at_once = Running(waiter.wait_members, version, soon)
    gave = at_once.result(2 * soon, f"wait_members(an older version) has not returned after {2 * soon:.0f} s")
    equal(f"what wait_members gave that began after {what}", gave, True)


def _still_there(under_test: BackendUnderTest) -> str:
    ttl, waited = under_test.paced(SHORT_TTL), under_test.paced(EXPIRES_WITHIN)
    return f"a member with a ttl of {ttl:.1f} s is there after {waited:.0f} s"


def _await_end(
    under_test: BackendUnderTest, backend: SupportsMembership, member: str, ends: float | None = None
) -> None:
    ends = time.monotonic() + under_test.paced(EXPIRES_WITHIN) if ends is None else ends
    while True:
        view = backend.members()
        if member not in [each.id for each in view.members]:
            return
        that(time.monotonic() < ends, _still_there(under_test))
        backend.wait_members(view.version, under_test.paced(SHORT_TTL))
