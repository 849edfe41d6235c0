"""Departing: a goodbye is kept before its membership may end, no matter who watches and how many go at once."""

from __future__ import annotations

import os
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import msgspec
import pytest

from rdzv_core import ChangeReason, RendezvousError, RendezvousHandler, clock
from rdzv_core._handler import operations
from rdzv_core._handler.head import Announcement, Head, RoundId, Seat, Terms, encode_announcement, encode_head
from rdzv_core._handler.machine import Machine
from rdzv_core._handler.master_port import MasterPort
from rdzv_core._handler.probe import engine_of, locks_of
from rdzv_core._handler.proposals import Proposer, WaitUntil, Write
from rdzv_core._handler.rank_order import natural_order
from rdzv_core._handler.rules import Rules
from rdzv_core._handler.settings import HandlerSettings
from rdzv_core._handler.view import LocalView
from rdzv_core.abc import Member, MemberLease, MembersView, StateSnapshot

from .conftest import Nodes

TERMS = Terms(2, 4, 30.0, 15.0, 5.0)
SETTINGS = HandlerSettings(2, 300, "me", "host1")


class _AtWork:
    """The machine of a member of rank 1 that works, with others ahead of it, and the store that answers it."""

    def __init__(self, place: int = 1, before: int = 0) -> None:
        self.machine = Machine(SETTINGS, random=random.Random(1), place_checks=(1e6, 1e6))
        self.head = Head("e", Terms.of(SETTINGS), round=before)
        self.lease = MemberLease(SETTINGS.ttl, "i", ahead=place)
        self.places_looked_for = 0
        self._waiting: list[operations.WaitHead] = []
        self._ahead = [_member(f"{number}", Announcement("n", "a", at=RoundId("e", 1))) for number in range(place)]
        self._payload = b""
        self.machine.ask(0.0)
        self.answer(0.0)
        others = [Seat(member.id, f"n{member.id}", "a") for member in self._ahead]
        roster = (others[0], Seat(self.lease.id, "me", "host1"), *others[1:])
        self.head = self.head.changed(
            round=before + 1, fence=before + 1, size=len(roster), roster=roster, incarnation="i"
        )
        self.answer(0.0)
        assert [type(outcome) for outcome in self.machine.take_outcomes()] == [operations.RoundJoined]

    def tick_until(self, end: float) -> None:
        """Move time on, and answer."""
        while (now := self.machine.wake_at) <= end:
            self.machine.tick(now)
            self.answer(now)

    def answer(self, now: float) -> None:
        """Answer whatever was asked, but for waits that have not ended."""
        waited, self._waiting = self._waiting, []
        for operation in waited:
            self._answer(operation, now)
        while operations := self.machine.take_operations():
            for each in operations:
                self._answer(each, now)

    def _answer(self, operation: operations.Operation, now: float) -> None:
        snapshot = StateSnapshot(encode_head(self.head), self.head.revision)
        done = self.machine.done
        match operation:
            case operations.ReadHead():
                done(operation, snapshot, now)
            case operations.WaitHead() if operation.token == snapshot.token:
                self._waiting.append(operation)
            case operations.WaitHead():
                done(operation, (True, snapshot), now)
            case operations.WriteHead():
                self.head = operation.head
                done(operation, (encode_head(self.head), self.head.revision, True), now)
            case operations.Enter() | operations.Update():
                self._payload = operation.payload
                done(operation, self.lease if isinstance(operation, operations.Enter) else True, now)
            case operations.Refresh():
                done(operation, True, now)
            case operations.ReadMembers():
                self.places_looked_for += operation.limit is not None
                members = (*self._ahead, Member(self.lease.id, self._payload))
                done(operation, MembersView("i", "v", members[: operation.limit]), now)


def _head(handler: RendezvousHandler) -> Head:
    head = engine_of(handler).adapter.head()
    assert head is not None
    return head


def _ways(handler: RendezvousHandler) -> dict[str, str]:
    head = _head(handler)
    gone = head.gone()
    return {seat.node: gone[seat.member] for seat in head.roster if seat.member in gone}


def _entered_in_turn(nodes: Nodes, count: int) -> list[RendezvousHandler]:
    """Have nodes meet that entered one after the other, so that it is known which of them watch."""
    made = [nodes.make(f"n{number}", count, count) for number in range(count)]
    asked = []
    for number, handler in enumerate(made):
        asked.append(nodes.start(handler))
        if number < count - 1:
            members = engine_of(handler).adapter.members
            while members.count() <= number:
                members.wait_members(members.members().version, 1.0)
    for future in asked:
        future.result(30)
    return made


def test_the_goodbyes_of_all_who_watch_are_kept_when_they_have_gone(nodes: Nodes) -> None:
    """The first three finish one after the other, and are closed: the head says that they are done."""
    made = _entered_in_turn(nodes, 5)
    for handler in made[:3]:
        handler.finish()
        handler.close()
    assert _ways(made[4]) == {"n0": "done", "n1": "done", "n2": "done"}
    assert made[4].wait_for_change(0) is None


def test_a_node_that_goes_when_nobody_watches_yet_keeps_its_own_goodbye(nodes: Nodes) -> None:
    """Those who watched have gone, and the next one has not looked for its place: one more leaves."""
    made = _entered_in_turn(nodes, 5)
    for handler in made[:3]:
        handler.finish()
    made[4].leave()
    assert _ways(made[3]) == {"n0": "done", "n1": "done", "n2": "done", "n4": "left"}


def test_all_may_finish_at_once_and_the_run_is_closed(nodes: Nodes) -> None:
    """The last one closes, though nobody stays to keep the goodbyes."""
    made = _entered_in_turn(nodes, 6)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(RendezvousHandler.finish, made))
    assert _head(made[0]).closed


def test_a_node_that_goes_far_behind_writes_when_those_who_watch_are_dead() -> None:
    """Thirty places behind is the same turn as three: it does not wait thirty delays."""
    at_work = _AtWork(place=30)
    at_work.machine.depart("left", 10.0)
    at_work.answer(10.0)
    at_work.tick_until(10.0 + 3 * SETTINGS.deputy_delay + 0.3)
    assert at_work.head.gone() == {at_work.lease.id: "left"}


def test_a_node_that_counts_as_lost_is_not_told_that_its_goodbye_is_kept() -> None:
    """It may go: but the head says otherwise."""
    at_work = _AtWork()
    at_work.machine.depart("left", 10.0)
    at_work.head = at_work.head.changed(departed={"lost": "2"})
    at_work.answer(10.0)
    assert at_work.machine.take_outcomes() == [operations.DepartureDone(kept=False)]


def test_a_bit_of_another_round_passes_nobody_over() -> None:
    """A register that went back to an older round is a lost one: that round's departures are of others."""
    at_work = _AtWork(before=1)
    at_work.head = msgspec.structs.replace(at_work.head, round=1, departed={"left": "2"})
    at_work.machine.known.looked = False
    at_work.machine.tick(10.0)
    at_work.answer(10.0)
    change = at_work.machine.change()
    assert change is not None
    assert change.reason is ChangeReason.STORE_LOST


def test_a_change_names_who_is_missing_and_not_who_is_done() -> None:
    """With the address: an id may be a random number."""
    at_work = _AtWork(place=3)
    at_work.head = at_work.head.changed(departed={"done": "1", "lost": "4"}, pending="LOST")
    at_work.answer(1.0)
    assert str(at_work.machine.change()) == "LOST: n1 (a) was lost"


@pytest.mark.parametrize(("gone", "looks"), [("1", False), ("5", False), ("d", True)])
def test_nobody_looks_for_its_place_for_each_who_goes(gone: str, looks: bool) -> None:
    """Only when as many have gone as watch, which may be those; one or two cannot be all of them."""
    at_work = _AtWork(place=30)
    at_work.head = at_work.head.changed(departed={"done": gone})
    at_work.answer(1.0)
    at_work.tick_until(SETTINGS.ttl / 3 + 2.0)
    assert at_work.places_looked_for == looks


def test_a_goodbye_that_cannot_be_kept_takes_no_time(nodes: Nodes) -> None:
    """Where the register cannot be read, the membership alone says goodbye."""
    made = _entered_in_turn(nodes, 2)
    register = engine_of(made[0]).adapter.backend
    snapshot = register.get_state()
    assert snapshot is not None
    register.set_state(b"\xff", snapshot[1])
    began = clock.now()
    for handler in made[::-1]:
        change = handler.wait_for_change(20)
        assert change is not None
        assert change.reason is ChangeReason.STORE_LOST
        handler.leave()
    assert clock.now() - began < made[0].settings.close_timeout


def test_the_head_stays_small_however_many_go() -> None:
    """Ten thousand departures, each in its way, take less than half of the 16 KiB."""
    seats = tuple(Seat(f"{rank:032x}", f"n{rank}", "a") for rank in range(10_000))
    ways = ("done", "left", "lost")
    gone = {seat.member: ways[rank % 3] for rank, seat in enumerate(seats)}
    head = Head("e", TERMS, round=1, roster=seats)
    masks = head.masks(gone)  # type: ignore[arg-type]
    assert sum(len(mask) for mask in masks.values()) <= 7500
    assert head.changed(departed=masks).gone() == gone


def test_two_who_go_at_once_on_one_handler_both_come_back(nodes: Nodes) -> None:
    """A second leave, finish or close_run beside a first waits for the same end."""
    for end in (RendezvousHandler.leave, RendezvousHandler.finish, RendezvousHandler.close_run):
        run = Nodes(nodes.pool)
        handler = run.make("n0", 1, 1)
        nodes.made.append(handler)
        handler.next_rendezvous()
        both = [nodes.pool.submit(end, handler) for _ in range(2)]
        assert [future.result(10) for future in both] == [None, None]


def test_a_node_that_asks_again_beside_a_leave_ends_the_leave(nodes: Nodes) -> None:
    """It comes back as somebody new; the caller that waited for the goodbye is told that it is over."""
    handler = nodes.make("n0", 1, 1)
    handler.next_rendezvous()
    going = nodes.pool.submit(handler.leave)
    assert nodes.start(handler).result(10).world_size == 1
    assert going.result(10) is None


def test_a_node_that_was_interrupted_while_it_asked_is_not_met(nodes: Nodes) -> None:
    """Nobody works for it after KeyboardInterrupt: the other does not meet it, and it may ask again."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    handler, other = nodes.make("n0", 2, 2), nodes.make("n1", 2, 2)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            handler.next_rendezvous()
    finally:
        signal.signal(signal.SIGALRM, before)
    members = engine_of(other).adapter.members
    while members.count():
        members.wait_members(members.members().version, 1.0)
    alone = nodes.start(other)
    met = nodes.meet(handler)
    assert {met[0].rank, alone.result(30).rank} == {0, 1}


def test_a_node_that_was_interrupted_with_a_round_in_hand_leaves_it(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody got that round from next_rendezvous: to finish, later, is to come too late."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    handler = nodes.make("n0", 1, 1)
    monkeypatch.setattr(MasterPort, "publish", interrupt)
    with pytest.raises(KeyboardInterrupt):
        handler.next_rendezvous()
    handler.finish()
    assert _ways(handler) == {"n0": "left"}


def test_an_old_self_that_still_asks_wakes_nobody() -> None:
    """Of those who live under one node id only the latest counts as waiting: no other would be admitted."""
    seats = (Seat("A", "a", "a"), Seat("B", "b", "b"))
    head = Head("e", TERMS, round=1, fence=1, size=2, roster=seats, incarnation="i")
    ghost = _member("ghost", Announcement("b", "b", ask=RoundId("e", 1)))
    at_work = [_member(seat.member, Announcement(seat.node, seat.address, at=RoundId("e", 1))) for seat in seats]
    situation = Rules().assess(head, MembersView("i", "v", (ghost, *at_work)), settled=True)
    assert (situation.admissible, situation.superseded) == (0, {"ghost"})
    later = Rules().assess(head, MembersView("i", "v", (*at_work, ghost)), settled=True)
    assert (later.admissible, later.superseded) == (1, {"B"})


def test_a_goodbye_is_kept_while_an_eviction_is_awaited() -> None:
    """With `evict_after` the leader does not wait for that to write who is done."""
    seats = tuple(Seat(name, name, name) for name in "ABCD")
    head = Head("e", TERMS, round=1, fence=1, size=4, roster=seats, incarnation="i", pending="WAITING")
    says = {
        "A": Announcement("A", "A", ask=RoundId("e", 2)),
        "B": Announcement("B", "B", at=RoundId("e", 1)),
        "C": Announcement("C", "C", bye="done"),
        "D": Announcement("D", "D", at=RoundId("e", 1)),
    }
    view = MembersView("i", "v", tuple(_member(name, said) for name, said in says.items()))
    known = LocalView(head=head, view=view, pending_since=("e", 1, 0.0))
    rules = Rules()
    situation = rules.assess(head, view, settled=True)
    known.note_gone(situation, 10.0)
    leader = Proposer(rules, natural_order, evict_after=300.0)
    proposal = leader.propose(known, head, situation, 10.0)
    assert isinstance(proposal, Write)
    assert proposal.head.departed == {"done": "4"}
    known.head = proposal.head
    waiting = leader.propose(known, proposal.head, rules.assess(proposal.head, view, settled=True), 10.0)
    assert waiting == WaitUntil(300.0)


def test_a_machine_that_was_suspended_is_fenced_at_the_first_question(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Timers stand still while a machine sleeps, and leases do not: nothing is said to go on before that is seen."""
    handler = nodes.make("n0", 1, 1)
    handler.next_rendezvous()
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + 3600)
    change = handler.wait_for_change(0)
    assert change is not None
    assert change.reason is ChangeReason.FENCED


def test_a_forked_child_may_close_what_it_inherited(nodes: Nodes) -> None:
    """A lock that a thread of the parent held at the fork is held for ever in the child."""
    handler = nodes.make("n0", 1, 1)
    handler.next_rendezvous()
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        with locks_of(handler)[0]:
            held.set()
            go.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        status = 1
        try:
            handler.close()
            status = 0
        except RendezvousError:
            status = 2
        finally:
            os._exit(status)
    go.set()
    holder.join()
    assert os.waitpid(child, 0)[1] == 0


def _member(name: str, said: Announcement) -> Member:
    return Member(name, encode_announcement(said))
