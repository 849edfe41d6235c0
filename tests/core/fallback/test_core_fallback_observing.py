"""Membership on registers, as others see it: who is ended, by whom, and who is not."""

from __future__ import annotations

from typing import Any

import pytest

from rdzv_core import RendezvousConnectionError, RendezvousParameters
from rdzv_core._fallback import RegisterMembership
from rdzv_core._fallback.pace import Life
from tests.core.fallback.registers import DIRECTORY, SLOT, TTL, Interference, watch


def test_an_observer_that_stood_still_grants_everybody_a_fresh_ttl(here: Any, there: Any, clock: Any) -> None:
    """An observer that did not look for half a ttl cannot know who refreshed, and ends no member for another ttl."""
    here.enter(b"a", TTL)
    assert watch(there, clock, TTL - 1) == 1
    clock.advance(100)
    assert watch(there, clock, TTL) == 1
    assert watch(there, clock, 1) == 0


def test_an_observer_that_looks_rarely_ends_nobody(here: Any, there: Any, clock: Any) -> None:
    """Looks that are further apart than half a ttl prove nothing about a refresh."""
    lease = here.enter(b"a", TTL)
    for _ in range(10):
        clock.advance(TTL / 2 + 1)
        assert there.count() == 1
    assert here.refresh(lease)


def test_a_member_in_another_s_stall_can_come_back(here: Any, there: Any, clock: Any) -> None:
    """A member that was stopped along with its observer refreshes within the fresh ttl, and stays."""
    lease = here.enter(b"a", TTL)
    watch(there, clock, TTL - 1)
    clock.advance(1000)
    there.count()
    assert here.refresh(lease)
    assert watch(there, clock, TTL) == 1


def test_an_evicted_member_that_thaws_learns_that_it_is_out(here: Any, there: Any, clock: Any) -> None:
    """A member that was ended while it was stopped gets False, even if its slot is another's now."""
    frozen = [here.enter(b"a", TTL), here.enter(b"b", TTL)]
    assert watch(there, clock, TTL + 1) == 0
    there.enter(b"new", TTL)
    for lease in frozen:
        assert not here.refresh(lease)
        here.leave(lease)
    assert [member.payload for member in here.members().members] == [b"new"]


def test_after_a_lost_connection_everybody_has_a_fresh_ttl(
    here: Any, there: Any, clock: Any, interference: Interference
) -> None:
    """An observer that could not reach the store takes it that the members could not either."""
    there.enter(b"a", TTL)
    assert watch(here, clock, TTL - 1) == 1
    interference.lose_call("get", SLOT)
    with pytest.raises(RendezvousConnectionError):
        here.count()
    assert watch(here, clock, TTL) == 1
    assert watch(here, clock, 1) == 0


@pytest.mark.parametrize("how", ["refused", "silent"])
@pytest.mark.parametrize("since_refresh", [0.0, 20.0])
def test_an_absence_of_the_store_ages_nobody(
    here: Any, there: Any, clock: Any, interference: Interference, how: str, since_refresh: float
) -> None:
    """Half a minute of a minute's lease: a member that refreshes when the store is back is there, whatever looks first.

    The store either refused every call, or answered the one under way when it was back.
    """
    lease = there.enter(b"a", 60.0)
    assert watch(here, clock, since_refresh) == 1
    if how == "silent":
        interference.before("get", DIRECTORY, lambda: clock.advance(30))
    else:
        for _ in range(30):
            interference.lose_call("get", DIRECTORY)
            with pytest.raises(RendezvousConnectionError):
                here.count()
            clock.advance(1)
    assert here.count() == 1
    assert watch(here, clock, 5) == 1
    assert there.refresh(lease)
    assert watch(here, clock, 59) == 1
    assert watch(here, clock, 2) == 0


def test_an_absence_of_the_store_counts_for_members_that_do_not_come_back(
    here: Any, there: Any, clock: Any, interference: Interference
) -> None:
    """After it everybody has a fresh ttl, and no more than that."""
    there.enter(b"a", 60.0)
    assert watch(here, clock, 50) == 1
    interference.before("get", SLOT, lambda: clock.advance(31))
    assert watch(here, clock, 59) == 1
    assert watch(here, clock, 2) == 0


def test_a_slow_read_is_no_proof(here: Any, there: Any, clock: Any, interference: Interference) -> None:
    """Where a read took longer than half a ttl, the store was away: that time does not count."""
    there.enter(b"a", TTL)
    assert watch(here, clock, TTL - 1) == 1
    interference.before("get", SLOT, lambda: clock.advance(TTL))
    assert here.count() == 1
    assert watch(here, clock, TTL) == 1


def test_a_refresh_beats_an_eviction_that_was_decided_before(
    here: Any, there: Any, clock: Any, interference: Interference
) -> None:
    """An observer about to end a member that refreshes at that moment is refused, and shows it."""
    lease = there.enter(b"a", TTL)
    watch(here, clock, TTL)
    interference.before("set", SLOT, lambda: there.refresh(lease))
    clock.advance(1)
    assert here.count() == 1
    assert there.refresh(lease)
    assert watch(here, clock, TTL) == 1


def test_one_who_only_observes_ends_nobody(make_bare: Any, here: Any, clock: Any, hub: Any, closing: Any) -> None:
    """A backend made from observing parameters writes nothing, however long it watches."""
    here.enter(b"a", TTL)
    backend = make_bare()
    params = RendezvousParameters("bare", "", "run", 1, 2).for_observer()
    backend.params = params
    observer = RegisterMembership(backend, clock)
    closing.callback(observer.close)
    before = dict(hub.raw)
    assert watch(observer, clock, 3 * TTL) == 1
    assert hub.raw == before


def test_one_who_waits_looks_often_enough_for_the_shortest_lease(
    here: Any, there: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it has been waiting, it looks several times a ttl: else it could tell nobody's end."""
    short = 0.2
    lease, lasting = here.enter(b"short", short), here.enter(b"long", 100 * TTL)
    version = there.members().version
    pauses: list[float] = []

    def sleep(life: Life, seconds: float) -> None:
        pauses.append(seconds)
        clock.advance(seconds)
        assert here.refresh(lasting)
        if len(pauses) < 50:
            assert here.refresh(lease)
        assert len(pauses) < 500, "the end of a member that does not refresh is not seen"

    monkeypatch.setattr(Life, "sleep", sleep)
    assert there.wait_members(version, 60)
    assert max(pauses) <= short / 4
    assert [member.payload for member in there.members().members] == [b"long"]
