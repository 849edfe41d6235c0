"""RDZV-MEMBER-7 and 18: the end of a lease wakes who waits when it comes: not before, and not at the next look."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import statistics
import threading
import time

from rdzv_conformance.contract.labels import clause, early
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Blamed, that
from rdzv_conformance.harness.wakes import Wakes, listed
from rdzv_core import MembersView, SupportsMembership

FIRST, APART, LEASES = 1.0, 0.2, 5
"""Seconds of the shortest ttl, by how much the next one is longer, and how many there are: all end within a second."""
WHOLE = 0.93
"""Of a ttl: what is less is not for want of a clock's precision."""
TRIES = 3
ENDS_WITHIN = 12.0
LOOK_EVERY = 0.02


class PromptEnds:
    """Who waits for members is told of the end of a lease as of any other change."""

    @early
    @clause("RDZV-MEMBER-7", "RDZV-MEMBER-18")
    def test_RDZV_MEMBER_7_the_end_of_a_lease_wakes_who_waits(self, under_test: BackendUnderTest) -> None:
        """Of leases that end one after the other each wakes, typically, when the store ends it."""
        register = under_test.open()
        under_test.needs(SupportsMembership, register)
        wakes = Wakes(under_test, register.get_state)
        late = [_late(under_test, "1")]
        if late[0] <= wakes.allowed():
            return  # that leases end at all is MEMBER-4's
        # A machine that stood still has shown nothing: again, of which the best counts. And a store may end leases
        # late, all of them at the same beat: then looking on and on finds them no sooner.
        late += [_late(under_test, str(number)) for number in range(2, TRIES + 1)]
        looked = _late(under_test, "looked", waits=False)
        that(
            min(late) <= looked + wakes.allowed(),
            f"wait_members(current version) returned {listed(late)} s after the end of a lease, typically, in {TRIES} "
            f"tries with {LEASES} leases each, where one look after the other finds the end after {looked:.2f} s: "
            f"{wakes.must()}",
        )


def _late(under_test: BackendUnderTest, name: str, waits: bool = True) -> float:
    """Let leases run out; return how long the first that was found gone had been over each time, the upper median."""
    entering, other = (
        under_test.needs(SupportsMembership, under_test.open(f"{under_test.run_id}-{name}")) for _ in range(2)
    )
    ttls = [under_test.paced(FIRST + number * APART) for number in range(LEASES)]
    began = time.monotonic()
    leases = [(entering.enter(b"%d" % number, ttl), ttl) for number, ttl in enumerate(ttls)]
    earliest = {lease.id: began + WHOLE * ttl for lease, ttl in leases}
    view = other.members()
    seen = time.monotonic()  # from then at the latest a ttl runs, for who sees a member for the first time too
    over = {lease.id: seen + ttl for lease, ttl in leases}
    ends = seen + under_test.paced(ENDS_WITHIN)
    took: list[float] = []
    while over and (left := ends - time.monotonic()) > 0:
        if waits:
            other.wait_members(view.version, left)
        else:
            threading.Event().wait(LOOK_EVERY)  # between two looks: this is who is not told
        found = time.monotonic()
        view = other.members()
        for each in over.keys() - _ids(view):
            _not_too_soon(earliest[each], over[each])
        gone = [over.pop(each) for each in over.keys() - _ids(view)]
        if gone:
            took.append(max(0.0, found - min(gone)))
    return statistics.median_high(took) if took else 0.0


def _not_too_soon(earliest: float, over: float) -> None:
    """Fail the clause about it if a member has gone by now, and its ttl is not over."""
    if (now := time.monotonic()) < earliest:
        raise Blamed(
            f"a member is gone {over - now:.2f} s before its ttl is over: a ttl is never shorter than the number that "
            "was given",
            ("RDZV-MEMBER-18",),
        )


def _ids(view: MembersView) -> set[str]:
    return {each.id for each in view.members}
