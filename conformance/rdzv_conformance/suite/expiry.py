"""RDZV-MEMBER-1, 2, 4, 6, 7, 13, 17 and 20: when a lease ends, whom that wakes, and what follows."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from rdzv_conformance.contract.labels import clause, early
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Blamed, equal, that
from rdzv_conformance.harness.threads import Running, race
from rdzv_conformance.suite.pairs import two_members
from rdzv_core import MemberLease, MembersView, SupportsMembership, Token

TTL = 60.0
SHORT_TTL = 1.0
LONG = 60.0
ENDS_WITHIN = 12.0
RENEWALS = 3
LATER = 2.4
"""Times the short ttl: it ends when the other one is over, renewed as that is."""
WHOLE_TTL = 1.4
"""Seconds: four fifths of it are more than one, and so are told from a ttl that was cut, or rounded, to one."""
BRIEF = 0.4
"""Of that ttl."""
EARLIER = 0.26
"""Of that ttl: so long before the renewals some leases are entered, or renewed for the first time."""
ATTEMPTS = 3
LOOK_EVERY = 0.05
"""Of a ttl."""


class _Renewed(NamedTuple):
    what: str
    lease: MemberLease
    when: str = ""


class Expiry:
    """The end of a lease is a change like any other, and a renewal is for a whole ttl."""

    @early
    @clause("RDZV-MEMBER-7")
    def test_RDZV_MEMBER_7_the_end_of_a_lease_ends_every_wait(self, under_test: BackendUnderTest) -> None:
        """Renewals put the end off after the waits had begun; then every wait ends, and the next end wakes again."""
        one, other = two_members(under_test)
        ttl = under_test.paced(SHORT_TTL)
        stays, goes, later = one.enter(b"stays", TTL), one.enter(b"goes", ttl), other.enter(b"later", LATER * ttl)
        waits = _begin(under_test, one, other, other.members().version)
        for _ in range(RENEWALS):
            _pass(ttl / 5)
            equal("what refresh of a member in time gave", one.refresh(goes), True)
        _end_with(under_test, waits, one, goes)
        if later.id in _ids(view := other.members()):
            _end_with(under_test, _begin(under_test, one, other, view.version), one, later)
        equal("the members after two leases had run out", _ids(other.members()), [stays.id])

    @early
    @clause("RDZV-MEMBER-2")
    def test_RDZV_MEMBER_2_a_renewal_is_for_a_whole_ttl(self, under_test: BackendUnderTest) -> None:
        """By refresh and by update, also with what is there, or a moment after the last one: a ttl from then."""
        one, other = two_members(under_test)
        for attempt in range(1, ATTEMPTS + 1):
            # A machine that stood still for long has shown nothing: again, with more time.
            if _renewed_for_a_whole_ttl(one, other, under_test.paced(WHOLE_TTL) * attempt):
                return

    @clause("RDZV-MEMBER-4")
    def test_RDZV_MEMBER_4_whatever_is_called_first_sees_that_a_member_has_ended(
        self, under_test: BackendUnderTest
    ) -> None:
        """Nobody calls members() or waits: count and first leave out a member whose ttl is over."""
        ttl = under_test.paced(SHORT_TTL)
        runs = {what: _on_a_run(under_test, what) for what in ("count", "first")}
        for one, _ in runs.values():
            one.enter(b"goes", ttl)
        looks: dict[str, Callable[[], object]] = {
            "count()": runs["count"][1].count,
            "first(9)": lambda: len(runs["first"][1].first(9).members),
        }
        ends = time.monotonic() + under_test.paced(ENDS_WITHIN)
        for what, look in looks.items():
            while look():
                told = f"{what} shows a member long after its ttl of {ttl:.1f} s, where nobody calls members()"
                that(time.monotonic() < ends, told)
                _pass(LOOK_EVERY * ttl)

    @clause("RDZV-MEMBER-13")
    def test_RDZV_MEMBER_13_a_member_that_has_ended_is_ahead_of_nobody(self, under_test: BackendUnderTest) -> None:
        """Nobody has looked since its ttl was over: the next one who enters is told that nobody was there."""
        ttl = under_test.paced(SHORT_TTL)
        one, other = two_members(under_test)
        goes, (elsewhere, _) = one.enter(b"goes", ttl), _on_a_run(under_test, "other")
        _await_end(under_test, elsewhere, elsewhere.enter(b"goes later", ttl))
        ahead = other.enter(b"new", TTL).ahead
        # Where members end when an observer looks, and none has, it is still one: then this renews it.
        if not one.refresh(goes) and ahead is not None:
            equal("how many are ahead, as a lease says, where the ttl of the only other member was over", ahead, 0)

    @clause("RDZV-MEMBER-1", "RDZV-MEMBER-6", "RDZV-MEMBER-20")
    def test_RDZV_MEMBER_6_after_an_end_place_and_version_are_new(self, under_test: BackendUnderTest) -> None:
        """Who enters when a lease has run out stands last, and no version is one that was there before."""
        one, other = two_members(under_test)
        versions = [other.members().version]
        first = one.enter(b"same", under_test.paced(SHORT_TTL))
        versions.append(other.members().version)
        second = other.enter(b"second", TTL)
        versions.append(other.members().version)
        _await_end(under_test, other, first)
        versions.append(other.members().version)
        third = one.enter(b"same", TTL)
        view = other.members()
        versions.append(view.version)
        if _ids(view) != [second.id, third.id]:
            raise Blamed(
                f"after a lease had run out and another member entered the members' ids are {_ids(view)}: they must be "
                f"{[second.id, third.id]}, who entered last behind who was there",
                ("RDZV-MEMBER-1",),
            )
        if len({first.incarnation, second.incarnation, third.incarnation, view.incarnation}) != 1:
            raise Blamed(
                f"a lease had run out, and then the incarnation is {view.incarnation!r} instead of "
                f"{second.incarnation!r}: the end of a lease is no loss of the store",
                ("RDZV-MEMBER-20",),
            )
        if len({*versions}) != len(versions):
            raise Blamed(
                f"the versions of five different sets of members, one after the end of a lease, are {versions}: each "
                "must be new",
                ("RDZV-MEMBER-6",),
            )

    @clause("RDZV-MEMBER-17", "RDZV-MEMBER-20")
    def test_RDZV_MEMBER_17_a_lease_outlives_the_instance_it_was_entered_on(self, under_test: BackendUnderTest) -> None:
        """All instances are closed: the member is there, and another instance renews it, changes it, and ends it."""
        register = under_test.open()
        _on_a_run(under_test, "other")  # its process has the store open
        lease = under_test.needs(SupportsMembership, register).enter(b"first", TTL)
        register.close()
        other = under_test.needs(SupportsMembership, under_test.open())
        view = other.members()
        equal("the members after all instances of the run had been closed", _ids(view), [lease.id])
        if view.incarnation != lease.incarnation:
            raise Blamed(
                f"all instances of the run had been closed, and then the incarnation is {view.incarnation!r} "
                f"instead of {lease.incarnation!r}, though its member is there",
                ("RDZV-MEMBER-20",),
            )
        equal("what refresh gave after the instance of the entry was closed", other.refresh(lease), True)
        equal("what update gave after the instance of the entry was closed", other.update(lease, b"second"), True)
        third = under_test.needs(SupportsMembership, under_test.open())
        equal("the payload after that", [each.payload for each in third.members().members], [b"second"])
        third.leave(lease)
        equal("the members after leave on a third instance", _ids(other.members()), [])


def _on_a_run(under_test: BackendUnderTest, name: str) -> tuple[SupportsMembership, SupportsMembership]:
    """Return two instances on a run of that name's own."""
    run_id = f"{under_test.run_id}-{name}"
    one, other = (under_test.needs(SupportsMembership, under_test.open(run_id)) for _ in range(2))
    return one, other


def _begin(
    under_test: BackendUnderTest, one: SupportsMembership, other: SupportsMembership, version: Token
) -> dict[str, Running[bool]]:
    """Begin four waits for the next change, on two instances."""
    limit = under_test.paced(LONG)
    callers = {
        "on another instance": (other, limit),
        "by another thread there": (other, limit),
        "on the instance of the entry": (one, limit),
        "without a limit of time": (other, math.inf),
    }
    return {what: Running(backend.wait_members, version, most) for what, (backend, most) in callers.items()}


def _end_with(
    under_test: BackendUnderTest, waits: dict[str, Running[bool]], backend: SupportsMembership, goes: MemberLease
) -> None:
    """Fail the clause unless all waits end when a lease runs out, though no other call is made."""
    limit = under_test.paced(ENDS_WITHIN)
    ends = time.monotonic() + limit
    lost = [what for what, each in waits.items() if not each.ended(max(0.0, ends - time.monotonic()))]
    if lost and goes.id in _ids(backend.members()):
        told = f"a member with a ttl of {goes.ttl:.1f} s is there {limit:.0f} s after its last renewal"
        raise Blamed(told, ("RDZV-MEMBER-4",))
    that(
        not lost,
        f"wait_members {', '.join(lost)} has not returned {limit:.0f} s after the last renewal of a member with a ttl "
        f"of {goes.ttl:.1f} s: the end of a lease is a change",
    )
    for what, each in waits.items():
        equal(f"what wait_members {what} gave when a lease had run out", each.result(0.0, ""), True)


def _renewed_for_a_whole_ttl(one: SupportsMembership, other: SupportsMembership, ttl: float) -> bool:
    """Return False where too much time has passed to tell."""
    renewals: dict[str, Callable[[MemberLease], bool]] = {
        "refresh": one.refresh,
        "update": lambda lease: one.update(lease, b"new"),
        "update with equal bytes": lambda lease: one.update(lease, b"same"),
    }
    leases = [_Renewed(what, one.enter(b"same", ttl)) for what in renewals]
    often = ("refresh", "update")
    again = [_Renewed(what, one.enter(b"same", ttl), ", the second one in a short time") for what in often]
    began = time.monotonic()
    _pass((0.5 - EARLIER) * ttl)
    gave = [(what, renewals[what](lease)) for what, lease, _ in again]
    leases += again + [_Renewed(what, one.enter(b"same", ttl), " just after it had entered") for what in often]
    _pass(began + 0.5 * ttl - time.monotonic())
    one.enter(b"brief", BRIEF * ttl)  # its ttl is of no other member
    renewed = time.monotonic()
    gave += race(len(leases), lambda number: (leases[number].what, renewals[leases[number].what](leases[number].lease)))
    if time.monotonic() > began + 0.8 * ttl:
        return False
    for what, answer in gave:
        equal(f"what {what} gave within a ttl of {ttl:.1f} s", answer, True)
    _pass(renewed + 0.8 * ttl - time.monotonic())
    found = _ids(other.members())
    told = time.monotonic() - renewed
    for each in leases:
        other.leave(each.lease)
    if told > 0.95 * ttl:
        return False
    for what, lease, when in leases:
        if lease.id not in found:
            raise Blamed(
                f"a member with a ttl of {ttl:.1f} s is gone {told:.1f} s after its renewal by {what}{when}: a renewal "
                "is for a whole ttl",
                ("RDZV-MEMBER-3" if what == "refresh" else "RDZV-MEMBER-2",),
            )
    return True


def _await_end(under_test: BackendUnderTest, backend: SupportsMembership, lease: MemberLease) -> None:
    """Read until a lease has run out. What is read with one version is the same."""
    ends = time.monotonic() + under_test.paced(ENDS_WITHIN)
    before = backend.members()
    while lease.id in _ids(view := backend.members()):
        if time.monotonic() > ends:
            raise Blamed(f"a member with a ttl of {lease.ttl:.1f} s is there long after it", ("RDZV-MEMBER-4",))
        before = view
        _pass(LOOK_EVERY * lease.ttl)
    if view.version == before.version:
        raise Blamed(f"a member's ttl was over, and the version is still {view.version!r}", ("RDZV-MEMBER-6",))


def _pass(seconds: float) -> None:
    threading.Event().wait(max(0.0, seconds))  # a ttl runs by the store's clock: there is nothing to await


def _ids(view: MembersView) -> list[str]:
    return [each.id for each in view.members]
