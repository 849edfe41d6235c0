"""Membership on registers, step by step: entering, and what is left of an entry that came to nothing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rdzv_core import MemberLease, RendezvousConnectionError, register_key
from rdzv_core._fallback.roll import Slot
from tests.core.fallback.registers import DIRECTORY, INCARNATION, SLOT, TTL, Interference, directory, page, watch


@pytest.mark.parametrize("how", ["lose_call", "lose_answer"])
@pytest.mark.parametrize("key", [DIRECTORY, SLOT, INCARNATION])
def test_an_entry_whose_answer_was_lost_ends_after_its_ttl(
    how: str, key: str, here: Any, there: Any, clock: Any, hub: Any, interference: Interference
) -> None:
    """Whatever of it exists is gone after a ttl, it is in no one's way, and a node that enters again gets in."""
    getattr(interference, how)("set", key)
    with pytest.raises(RendezvousConnectionError):
        here.enter(b"lost", TTL)
    again = here.enter(b"again", TTL)
    for _ in range(15):
        there.count()
        clock.advance(1)
        assert here.refresh(again)
    assert [member.payload for member in there.members().members] == [b"again"]
    assert [entry["id"] for entry in directory(hub)["order"]] == [again.id]


def test_one_who_is_entering_is_not_yet_shown(here: Any, there: Any, interference: Interference) -> None:
    """A slot without its entry in the directory is nobody yet."""
    seen: list[int] = []
    interference.before("set", DIRECTORY, lambda: seen.append(there.count()))
    here.enter(b"a", TTL)
    assert (seen, there.count()) == ([0], 1)


def test_one_who_dies_while_entering_is_tidied_up(
    here: Any, there: Any, clock: Any, hub: Any, interference: Interference, no_sleep: None
) -> None:
    """A slot whose member was never listed is free again after a ttl, and others enter beside it meanwhile."""
    interference.lose_call("set", DIRECTORY)
    with pytest.raises(RendezvousConnectionError):
        here.enter(b"a", TTL)
    lease = there.enter(b"b", TTL)
    assert [member.payload for member in there.members().members] == [b"b"]
    for _ in range(int(TTL) + 1):
        clock.advance(1)
        assert there.refresh(lease)
        there.count()
    assert page(hub, SLOT)["0"]["gone"]
    there.enter(b"c", TTL)
    assert [entry["slot"] for entry in directory(hub)["order"]] == [1, 0]


def test_who_lists_itself_lists_those_who_came_into_its_page_since(
    here: Any, make_port: Any, interference: Interference, no_sleep: None
) -> None:
    """One write of the directory for all of them: they find themselves listed, and write it not at all."""
    late = Interference()
    others = [make_port(late), make_port(late)]
    first = make_port()

    def enter_together() -> None:
        first.enter(b"before", TTL)  # so that the write of the directory is refused
        entering.extend(pool.submit(other.enter, b"late", TTL) for other in others)
        for _ in others:
            assert taken.acquire(timeout=10)

    def wait_for_the_first() -> None:
        taken.release()
        assert listed.wait(10)

    entering: list[Any] = []
    taken, listed = threading.Semaphore(0), threading.Event()
    for _ in others:
        late.after("set", SLOT, wait_for_the_first)
    interference.before("set", DIRECTORY, enter_together)
    with ThreadPoolExecutor(2) as pool:
        here.enter(b"first", TTL)
        listed.set()
        for one in entering:
            one.result(10)
    assert [member.payload for member in here.members().members] == [b"before", b"first", b"late", b"late"]
    assert ("set", DIRECTORY) not in late.calls


@pytest.mark.parametrize("age", [TTL / 2 - 1, TTL / 2])
def test_who_is_slow_lists_nobody_who_may_have_died_meanwhile(
    age: float, here: Any, there: Any, clock: Any, interference: Interference, make_port: Any, no_sleep: None
) -> None:
    """One that came into the page after it counts as alive for half a ttl; then it has to get listed itself."""
    dying = Interference()
    dead = make_port(dying)

    def die() -> None:
        there.enter(b"there", 100 * TTL)  # so that the write of the directory is refused
        dying.before("get", DIRECTORY, lambda: None)
        dying.lose_call("get", DIRECTORY)  # when it looks whether it is listed
        with pytest.raises(RendezvousConnectionError):
            dead.enter(b"dead", TTL)
        clock.advance(age)

    interference.before("set", DIRECTORY, die)
    here.enter(b"slow", 100 * TTL)
    shown = {member.payload for member in here.members().members}
    assert shown == {b"there", b"slow"} | ({b"dead"} if age < TTL / 2 else set())


@pytest.mark.parametrize("place", [("after", "set", DIRECTORY), ("before", "set", SLOT)])
@pytest.mark.parametrize("successor", [False, True])
def test_one_who_is_evicted_while_entering_starts_over(
    place: tuple[str, str, str], successor: bool, here: Any, there: Any, clock: Any, interference: Interference
) -> None:
    """A node that stalls for too long between directory and slot enters as another, and pushes none out."""
    others: list[MemberLease] = []

    def stall() -> None:
        watch(there, clock, TTL + 1)
        if successor:
            others.append(there.enter(b"other", TTL))

    there.leave(there.enter(b"founder", TTL))
    when, what, key = place
    getattr(interference, when)(what, key, stall)
    lease = here.enter(b"a", TTL)
    assert here.refresh(lease)
    assert all(there.refresh(other) for other in others)
    assert [member.id for member in there.members().members] == [other.id for other in others] + [lease.id]


def test_one_who_stalls_before_it_enters_takes_no_slot_that_was_given_away(
    here: Any, there: Any, interference: Interference
) -> None:
    """Between choosing a slot and writing the directory somebody else may take that slot, and keeps it."""
    others: list[MemberLease] = []
    interference.before("set", DIRECTORY, lambda: others.append(there.enter(b"other", TTL)))
    lease = here.enter(b"a", TTL)
    assert there.refresh(others[0])
    assert here.refresh(lease)
    assert [member.payload for member in there.members().members] == [b"other", b"a"]


def test_slots_are_used_again(here: Any, hub: Any) -> None:
    """However many come and go, there are as many slots as there were members at one time, eight in a register."""
    for _ in range(5):
        leases = [here.enter(b"", TTL) for _ in range(9)]
        for lease in leases:
            here.leave(lease)
    assert set(hub.raw) == {DIRECTORY, INCARNATION, SLOT, register_key("run", "members.1")}
    assert [len(page(hub, each)) for each in (SLOT, register_key("run", "members.1"))] == [8, 1]


def test_an_observer_forgets_who_is_gone(here: Any, there: Any) -> None:
    """However many come and go, an observer keeps notes of those who are there."""
    for _ in range(20):
        lease = here.enter(b"", TTL)
        there.count()
        here.leave(lease)
    there.count()
    assert there._observer._ages._sights == {}


def test_a_payload_with_an_older_number_is_ignored() -> None:
    """A record takes a payload with a higher sequence number only; it is refreshed all the same."""
    slot = Slot("id", seq=5, beat=1, payload=b"five")
    assert slot.advanced(6, b"six") == Slot("id", seq=6, beat=2, payload=b"six")
    for older in (4, 5):
        assert slot.advanced(older, b"old") == Slot("id", seq=5, beat=2, payload=b"five")
    assert slot.advanced(None, None) == Slot("id", seq=5, beat=2, payload=b"five")
