"""Keeping up to date: what is read when, by those who watch the memberships and by everybody else."""

from __future__ import annotations

import random

import pytest

from rdzv_core._handler import operations
from rdzv_core._handler.channels import Channels
from rdzv_core._handler.head import Announcement, Head, Seat, encode_announcement, encode_head
from rdzv_core._handler.view import LocalView
from rdzv_core._handler.watcher import AGED_BY_OBSERVERS, AGED_BY_THE_STORE, Watcher
from rdzv_core.abc import Member, MembersView, StateSnapshot

TTL = 15.0


class Watching(Watcher):
    """A watcher of member `me`, and what it starts."""

    def __init__(self, place_checks: tuple[float, float] = AGED_BY_THE_STORE) -> None:
        self.known = LocalView()
        self.channels = Channels(random.Random(1), 1.0)
        super().__init__(self.known, self.channels, TTL, random.Random(2), place_checks)

    def plan(self, now: float) -> list[operations.Operation]:
        """Plan all, and return what was started."""
        self.channels.wake_at = float("inf")
        self.plan_head(True, now)
        self.plan_roster("me", self.known.watching, now)
        self.plan_members(self.known.watching, now)
        started, self.channels.operations = self.channels.operations, []
        return started

    def answer(self, operation: operations.Operation, result: object, now: float) -> None:
        assert self.channels.retire(operation)
        self.take_in(operation, result, "me", now)

    def read_head(self, head: Head | None, now: float) -> list[operations.Operation]:
        """Answer the first look, and return what follows."""
        (read, *others) = self.plan(now)
        self.answer(read, None if head is None else StateSnapshot(encode_head(head), head.revision), now)
        return others + self.plan(now)


def view(ahead: int, goodbyes: int = 0, version: int = 1) -> MembersView:
    """Return memberships in which so many are ahead of `me`, and before them some that have said goodbye."""
    gone = [Member(f"gone{number}", said(bye="left")) for number in range(goodbyes)]
    there = [Member(f"m{number}", said()) for number in range(ahead)]
    return MembersView("i", version, (*gone, *there, Member("me", said())))


def said(**fields: object) -> bytes:
    return encode_announcement(Announcement("n", "host", **fields))  # type: ignore[arg-type]


def kinds(started: list[operations.Operation]) -> list[str]:
    return [type(one).__name__ for one in started]


def find(started: list[operations.Operation], kind: type[operations.Operation]) -> operations.Operation:
    (found,) = [one for one in started if isinstance(one, kind)]
    return found


def test_a_node_reads_the_head_then_waits_for_it_and_looks_for_its_place() -> None:
    """The place is looked for at once: it may be among the first."""
    watcher = Watching()
    started = watcher.read_head(Head("e"), 0.0)
    assert {"ReadMembers", "WaitHead"} == set(kinds(started))
    assert 3 == find(started, operations.ReadMembers).limit  # type: ignore[attr-defined]


@pytest.mark.parametrize(("ahead", "watches"), [(0, True), (2, True), (3, False)])
def test_the_first_three_watch(ahead: int, watches: bool) -> None:
    """They read all memberships and wait for the next change; the others look again when it is time."""
    watcher = Watching()
    looked = find(watcher.read_head(Head("e"), 0.0), operations.ReadMembers)
    watcher.answer(looked, MembersView("i", 1, view(ahead).members[:3]), 0.1)
    started = watcher.plan(0.1)
    assert watches == watcher.known.watching
    if not watches:
        assert [] == started
        assert 0.1 + TTL <= watcher.channels.wake_at <= 0.1 + 1.5 * TTL
        return
    read_all = find(started, operations.ReadMembers)
    assert None is read_all.limit  # type: ignore[attr-defined]
    watcher.answer(read_all, view(ahead), 0.2)
    assert ["WaitMembers"] == kinds(watcher.plan(0.2))


def test_goodbyes_do_not_hide_a_place() -> None:
    """Where the first few have all said goodbye, it looks at more of them."""
    watcher = Watching()
    looked = find(watcher.read_head(Head("e"), 0.0), operations.ReadMembers)
    watcher.answer(looked, MembersView("i", 1, view(0, goodbyes=3).members[:3]), 0.1)
    assert not watcher.known.watching
    (again,) = watcher.plan(0.1)
    assert 24 == again.limit  # type: ignore[attr-defined]
    watcher.answer(again, view(0, goodbyes=3), 0.2)
    assert watcher.known.watching


def test_where_observers_age_leases_places_are_looked_for_twice_a_ttl() -> None:
    """Otherwise nobody would age the lease of a member that died."""
    watcher = Watching(AGED_BY_OBSERVERS)
    looked = find(watcher.read_head(Head("e"), 0.0), operations.ReadMembers)
    watcher.answer(looked, MembersView("i", 1, view(3).members[:3]), 0.0)
    watcher.plan(0.0)
    assert 0.3 * TTL <= watcher.channels.wake_at <= 0.45 * TTL


def test_many_arrivals_are_read_once() -> None:
    """While many come one after the other, all are read later for each that was there: 60 us, 0.25 s at most."""
    watcher = Watching()
    looked = find(watcher.read_head(Head("e"), 0.0), operations.ReadMembers)
    watcher.answer(looked, view(0), 0.0)
    read_all = find(watcher.plan(0.0), operations.ReadMembers)
    many = MembersView("i", 1, (Member("me", said()), *(Member(f"m{number}", said()) for number in range(999))))
    watcher.answer(read_all, many, 1.0)
    wait = find(watcher.plan(1.0), operations.WaitMembers)
    watcher.answer(wait, True, 1.01)
    assert [] == watcher.plan(1.01)
    assert watcher.channels.wake_at == pytest.approx(1.06)
    assert ["ReadMembers"] == kinds(watcher.plan(1.06))


def test_a_node_that_enters_behind_others_looks_for_its_place_later() -> None:
    """Those ahead form the round, mostly."""
    watcher = Watching()
    watcher.entered(3, 0.0)
    assert ["WaitHead"] == kinds(watcher.read_head(Head("e"), 0.0))
    assert 0.2 <= watcher.channels.wake_at <= 0.41


def test_members_are_read_again_once_the_head_has_changed() -> None:
    """R13: nothing is decided on a reading from before the token."""
    watcher = Watching()
    started = watcher.read_head(Head("e"), 0.0)
    watcher.answer(find(started, operations.ReadMembers), view(0), 0.0)
    watcher.answer(find(watcher.plan(0.0), operations.ReadMembers), view(0), 0.0)
    assert watcher.known.fresh_view is not None
    changed = Head("e", revision=1)
    watcher.answer(find(started, operations.WaitHead), (True, StateSnapshot(encode_head(changed), 1)), 5.0)
    assert watcher.known.fresh_view is None
    read = find(watcher.plan(5.0), operations.ReadMembers)
    assert 1 == read.based_on  # type: ignore[attr-defined]


def test_a_large_roster_is_fetched_by_those_who_watch_and_looked_up_by_the_others() -> None:
    """Everybody else reads one page of it."""
    named = Head("e", round=1, fence=1, size=2, digest="d", pages=1, master="host")
    for watches, expected in ((False, "FindRank"), (True, "FetchRoster")):
        watcher = Watching()
        watcher.known.place = 0 if watches else 3
        assert expected in kinds(watcher.read_head(named, 0.0))


def test_as_many_departures_as_watch_make_a_node_look_for_its_place() -> None:
    """They may have been those who watched; one or two cannot be all of them."""
    seats = tuple(Seat(f"m{number}", f"n{number}", "host") for number in range(9))
    for gone, soon in (("3", False), ("7", True)):
        watcher = Watching()
        started = watcher.read_head(Head("e", round=1, fence=1, size=9, roster=seats), 0.0)
        watcher.answer(find(started, operations.ReadMembers), MembersView("i", 1, view(3).members[:3]), 0.0)
        changed = Head("e", revision=1, round=1, fence=1, size=9, roster=seats, departed={"left": gone})
        watcher.answer(find(started, operations.WaitHead), (True, StateSnapshot(encode_head(changed), 1)), 6.0)
        watcher.plan(6.0)
        assert soon == (watcher.channels.wake_at < 7.0)


def test_the_final_look_reads_in_reads_of_its_own() -> None:
    """R18: what is under way may have been answered before the deadline."""
    watcher = Watching()
    before = watcher.plan(0.0)
    watcher.final_look(True, 20.0)
    assert {"ReadHead", "ReadMembers"} == set(kinds(watcher.channels.operations))
    assert not any(watcher.channels.retire(one) for one in before)
    assert watcher.looking
