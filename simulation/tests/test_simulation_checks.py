"""Each check lets pass what the protocol promises, and names the invariant that is broken."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rdzv_simulation import Violation
from rdzv_simulation._checks.heads import check_first, check_step, check_told
from rdzv_simulation._checks.voids import Voids
from rdzv_simulation._checks.work import WorkChecks, require_lease
from rdzv_simulation._cluster.timeline import Timeline

from rdzv_core._handler.head import Head, Terms
from rdzv_core._handler.info import Change, ChangeReason
from rdzv_core._handler.lease import Lease
from rdzv_core._handler.operations import Assignment
from rdzv_core.abc import MemberLease

HEAD = Head(epoch="e", terms=Terms(1, 4, 1.0, 3.0, 1.0), round=2, fence=2, revision=7)


def _held(epoch: str = "e", round_: int = 1, rank: int = 0, member: str = "m0", fence: int = 1) -> Assignment:
    return Assignment(epoch, round_, fence, rank, 2, member, "host")


def _broken_by(step: Callable[[], object]) -> str:
    with pytest.raises(Violation) as broken:
        step()
    return broken.value.number


def test_a_step_of_the_head() -> None:
    """A write, a new round, and the end of a run are steps; going back, over an end, or to another epoch is not."""
    check_step(HEAD, HEAD.changed(pending="LOST"), 100)
    check_step(HEAD, HEAD.changed(round=3, fence=3), 100)
    assert _broken_by(lambda: check_step(HEAD, HEAD, 100)) == "I6"
    assert _broken_by(lambda: check_step(HEAD, HEAD.changed(round=4, fence=4), 100)) == "I6"
    assert _broken_by(lambda: check_step(HEAD, HEAD.changed(round=3), 100)) == "I6"
    assert _broken_by(lambda: check_step(HEAD.changed(closed=True), HEAD.changed(), 100)) == "I5"
    assert _broken_by(lambda: check_step(HEAD, Head(epoch="other", revision=8), 100)) == "I11"
    assert _broken_by(lambda: check_step(HEAD, HEAD.changed(pending="LOST"), 20_000)) == "I14"


def test_an_epoch_begins_with_no_round() -> None:
    """A first head that has one continues what nobody knows."""
    check_first(Head(epoch="e"))
    assert _broken_by(lambda: check_first(HEAD)) == "I11"


def test_a_node_is_told_that_its_round_is_lost_only_if_it_is() -> None:
    """A register of another epoch, or none, has lost it; any other reason may be told at any time."""
    lost, asked = Change(ChangeReason.STORE_LOST, "lost"), Change(ChangeReason.ASKED, "asked")
    check_told("host0", _held(), lost, "another")
    check_told("host0", _held(), lost, "")
    check_told("host0", _held(), asked, "e")
    assert _broken_by(lambda: check_told("host0", _held(), lost, "e")) == "I21"


def test_a_lease_is_proved_for_nine_tenths_of_its_time() -> None:
    """By the node's own clock, from when the last success was sent."""
    lease = Lease(MemberLease(10.0, "1", "m"), sent=100.0, ttl=10.0, interval=3.0, payload=b"")
    require_lease("host0", "works", lease, 108.9)
    assert _broken_by(lambda: require_lease("host0", "works", lease, 109.0)) == "I10"
    assert _broken_by(lambda: require_lease("host0", "works", None, 100.0)) == "I10"


def test_two_rosters_of_one_round_and_two_groups_are_noticed() -> None:
    """A round counts once, however many join; a node that stops makes room for another group."""
    work = WorkChecks(Voids(Timeline(), 5.0))
    work.joined(_held(), None)
    work.joined(_held(rank=1, member="m1"), None)
    assert work.rounds == 1
    assert _broken_by(lambda: work.joined(_held(fence=9), None)) == "I1"
    assert _broken_by(lambda: work.joined(_held(member="m2"), None)) == "I2"
    work.begins("host0", _held())
    assert _broken_by(lambda: work.begins("host1", _held(round_=2))) == "I3"
    work.stops("host0")
    work.begins("host1", _held(round_=2))


def test_an_evicted_members_work_is_outside_the_promise() -> None:
    """It is not counted from then on, not even if it goes on."""
    work = WorkChecks(Voids(Timeline(), 5.0))
    work.begins("host0", _held())
    work.evict("m0")
    work.begins("host0", _held())
    assert work.working == {}
    work.begins("host1", _held(round_=2, member="m1"))


def test_the_promise_is_void_after_both_memories_were_lost() -> None:
    """One alone voids nothing; both, soon after each other, do, until nobody works any more who worked before."""
    timeline = Timeline()
    voids = Voids(timeline, window=5.0)
    timeline.run_until(100.0)
    voids.lost(register=True, members=False)
    assert not voids.now
    timeline.run_until(104.0)
    voids.lost(register=False, members=True)
    assert voids.now
    timeline.run_until(113.9)
    assert voids.now
    timeline.run_until(114.0)
    assert not voids.now
