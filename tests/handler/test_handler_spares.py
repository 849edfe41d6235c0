"""Nodes for which a round has no place: how long they stand by, and how a run ends for them."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillWaiting

import pytest

from rdzv_core import (
    RendezvousClosedError,
    RendezvousGracefulExitError,
    RendezvousHandler,
    RendezvousInfo,
    RendezvousTimeoutError,
)
from rdzv_core._handler.head import Announcement, Head, RoundId, Seat, Terms, encode_announcement
from rdzv_core._handler.probe import end_membership, engine_of
from rdzv_core._handler.proposals import Proposer, Write
from rdzv_core._handler.rank_order import natural_order
from rdzv_core._handler.rules import Rules
from rdzv_core._handler.view import LocalView
from rdzv_core.abc import Member, MembersView

TERMS = Terms(min_nodes=1, max_nodes=2, last_call_timeout=30.0, ttl=15.0, fence_delay=5.0)


@pytest.fixture(params=[1, 2])
def full(nodes, request) -> tuple[list[RendezvousHandler], RendezvousHandler]:
    """Two nodes at work in a round that is full, and a third one that has not asked yet."""
    made = [nodes.make(name, request.param, 2) for name in ("a", "b")]
    nodes.meet(*made)
    return made, nodes.make("spare", request.param, 2, join_timeout=0.5)


def stands_by(spare: Future[RendezvousInfo], caplog) -> None:
    """Wait until the spare has said that it stands by."""
    while "standing by" not in caplog.text:
        with pytest.raises(StillWaiting):
            spare.result(0.02)


@pytest.fixture(autouse=True)
def told(caplog):
    caplog.set_level("INFO", logger="rdzv")


def test_a_run_whose_members_have_all_finished_is_over_for_a_spare_too(nodes, full, caplog) -> None:
    """The spare is told so at once, without an error of the job's: nothing is run a second time."""
    members, node = full
    spare = nodes.start(node)
    stands_by(spare, caplog)
    for member in members:
        member.finish()
    with pytest.raises(RendezvousGracefulExitError, match=r"the run has finished: all 2 nodes of round 1 are done"):
        spare.result(10)
    assert node.is_closed()


def test_a_spare_that_was_cut_off_while_the_run_finished_is_told_so_too(nodes, full, caplog) -> None:
    """It has lost its membership meanwhile, and seen nothing of the end: it waited all the same."""
    members, node = full
    spare = nodes.start(node)
    stands_by(spare, caplog)
    end_membership(node, "cut off")
    for member in members:
        member.finish()
    with pytest.raises(RendezvousGracefulExitError, match="the run has finished"):
        spare.result(20)


def test_a_node_that_comes_after_the_end_is_told_that_the_run_is_closed(nodes, full) -> None:
    """It has seen nothing of the run: a run id that is used again by mistake is not taken for a success."""
    members, node = full
    for member in members:
        member.finish()
    with pytest.raises(RendezvousClosedError, match="rdzv reset"):
        node.next_rendezvous()


def test_standing_by_at_a_full_round_has_no_deadline(nodes, full, caplog) -> None:
    """The members may work for longer than a spare's join_timeout; it joins as soon as one of them leaves."""
    members, node = full
    spare = nodes.start(node)
    stands_by(spare, caplog)
    with pytest.raises(StillWaiting):
        spare.result(4 * node.settings.join_timeout)
    members[1].leave()
    change = members[0].wait_for_change(10)
    assert change is not None
    again = nodes.start(members[0])
    assert {again.result(20).round, spare.result(20).round} == {2}


def test_standby_timeout_bounds_standing_by(nodes, caplog) -> None:
    """Where it is given, a spare says after it that the round was full."""
    nodes.meet(nodes.make("a", 1, 1))
    spare = nodes.start(nodes.make("spare", 1, 1, standby_timeout=0.3))
    with pytest.raises(RendezvousTimeoutError, match=r"stood by for 0\.3 s \(standby_timeout\)"):
        spare.result(20)


def test_a_spare_wakes_no_last_call_while_a_full_round_works(nodes, full, caplog) -> None:
    """With as many spares as min_nodes asks for, the head said `last call for round 2` for as long as the job ran."""
    members, node = full
    spare = nodes.start(node)
    stands_by(spare, caplog)
    assert members[0].wait_for_change(1.0) is None
    head = engine_of(members[0]).adapter.head()
    assert head is not None
    assert 0 == head.last_call_round


def proposal(*says: Announcement):
    """Return what a leader makes of a round of two whose members say this; further ones have no seat."""
    names = ("a", "b", "spare", "other")[: len(says)]
    head = Head("e", TERMS, 1, 3, 1, 1, roster=(Seat("a", "a", "a"), Seat("b", "b", "b")), size=2, incarnation="i")
    members = (Member(name, encode_announcement(one)) for name, one in zip(names, says, strict=True))
    known = LocalView(head=head, view=MembersView("i", b"1", tuple(members)))
    situation = Rules().assess(head, known.view, settled=True)
    known.note_gone(situation, 0.0)
    return Proposer(Rules(), natural_order).propose(known, head, situation, 1000.0)


def say(name: str, **fields: object) -> Announcement:
    return Announcement(name, name, **fields)


def test_the_leader_closes_a_run_whose_members_are_all_done() -> None:
    """The last one to finish may die before it has closed the run: a spare that leads then closes it."""
    asking = say("spare", ask=RoundId("e", 2))
    made = proposal(say("a", bye="done"), say("b", bye="done"), asking)
    assert isinstance(made, Write)
    assert (True, True) == (made.head.closed, made.head.finished)


@pytest.mark.parametrize("other", [{"bye": "left"}, {"at": RoundId("e", 1)}, {"ask": RoundId("e", 2)}])
def test_a_run_of_which_one_member_has_not_finished_goes_on(other) -> None:
    """One that left, works, or asks again has work to do that a spare may have to take over."""
    made = proposal(say("a", bye="done"), say("b", **other), say("spare", ask=RoundId("e", 2)))
    assert not isinstance(made, Write) or not made.head.closed


def test_a_round_has_no_place_while_its_members_work_or_are_done() -> None:
    """A place that was left or lost is free; that of a member that is done is not."""
    seats = tuple(Seat(name, name, name) for name in "ab")
    head = Head("e", TERMS, 1, 3, 1, 1, roster=seats, size=2)
    full = {how: Rules().is_full(head.changed(departed={how: "1"})) for how in ("done", "left", "lost")}
    assert {"done": True, "left": False, "lost": False} == full
    assert Rules().is_full(head)
    assert not Rules().is_full(head.changed(closed=True))
    assert not Rules().is_full(Head("e", TERMS))
