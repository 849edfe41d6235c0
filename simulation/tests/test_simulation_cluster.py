"""What is simulated: virtual time, clocks, links, messages and the store."""

from __future__ import annotations

import random

import pytest
from rdzv_simulation import FAULTS, SimStore
from rdzv_simulation._cluster.clock import Clock
from rdzv_simulation._cluster.links import Links
from rdzv_simulation._cluster.rng import MessageRng
from rdzv_simulation._cluster.timeline import Timeline


def test_events_happen_in_the_order_of_their_times_then_of_their_scheduling() -> None:
    """What is cancelled does not happen, and what is due later waits."""
    timeline, happened = Timeline(), list[str]()
    timeline.later(2.0, happened.append, "second")
    timeline.later(1.0, happened.append, "first")
    timeline.later(2.0, happened.append, "third")
    timeline.cancel(timeline.later(1.5, happened.append, "never"))
    timeline.later(3.5, happened.append, "later")
    assert timeline.run_until(3.0)
    assert (["first", "second", "third"], 3.0) == (happened, timeline.time)


def test_time_that_does_not_pass_is_noticed() -> None:
    """Events without end, all at one time, stop after so many steps."""
    timeline = Timeline()

    def again() -> None:
        timeline.later(0.0, again)

    again()
    assert not timeline.run_until(1.0, most_steps=100)
    assert timeline.steps == 101


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_clock_that_drifts_does_not_jump(share: float) -> None:
    """Only its rate changes, and stays within 2.5 % of the true time; the time of day jumps alone."""
    timeline = Timeline()
    clock = Clock(timeline, random.Random(1))
    timeline.run_until(100.0)
    before = clock.now
    clock.drift(share)
    clock.jump(3600.0)
    assert clock.now == pytest.approx(before)
    timeline.run_until(200.0)
    assert clock.now - before == pytest.approx(100.0, rel=0.025)


def test_a_disturbed_link_works_again_after_a_while() -> None:
    """Each disturbance concerns one node, and ends by itself or when links are repaired."""
    timeline = Timeline()
    links = Links(timeline)
    links.cut_off("a", 2.0)
    links.mute("b", 5.0)
    links.slow_down("c", 0.7, 1.0)
    assert (True, False, True, 0.7) == (links.is_cut("a"), links.is_cut("b"), links.is_mute("b"), links.delay("c"))
    timeline.run_until(2.5)
    assert (False, True, 0.0) == (links.is_cut("a"), links.is_mute("b"), links.delay("c"))
    links.repair()
    assert not links.is_mute("b")


def test_a_messages_fate_does_not_depend_on_other_faults() -> None:
    """Without its disturbances a node's messages take as long as with them, each by itself."""
    whole, kept = (MessageRng(11, "random", FAULTS, calm=False, keep=keep) for keep in (None, frozenset[str]()))
    whole.begin(1, stormy=True)
    kept.begin(1, stormy=True)
    fates = [(whole.fate("a"), kept.fate("a")) for _ in range(500)]
    assert whole.struck
    assert not kept.struck
    assert len(whole.struck) == sum(one != other for one, other in fates)
    numbers = [int(name.rpartition(".")[2]) for name in whole.struck]
    assert all(whole.disturbs(1, "a", number) for number in numbers)


def test_a_lease_ends_in_the_stores_time_unless_it_is_renewed() -> None:
    """A refresh that was sent before a later one changes nothing."""
    timeline = Timeline()
    store = SimStore(timeline, random.Random(1))
    first, second = store.enter(b"first", 3.0), store.enter(b"second", 3.0)
    timeline.run_until(2.0)
    assert store.refresh(second, 2, b"new")
    assert store.refresh(second, 1, b"old")
    timeline.run_until(4.0)
    assert (None, b"new") == (store.payload(first.id), store.payload(second.id))
    assert not store.refresh(first, 3)


def test_a_store_that_is_away_ends_no_lease() -> None:
    """When it is back, every member has a fresh ttl: refreshes may have been missed."""
    timeline = Timeline()
    store = SimStore(timeline, random.Random(1))
    lease = store.enter(b"payload", 3.0)
    store.away = "silent"
    timeline.run_until(10.0)
    store.come_back()
    timeline.run_until(12.5)
    assert store.payload(lease.id) == b"payload"
    timeline.run_until(13.5)
    assert store.payload(lease.id) is None
