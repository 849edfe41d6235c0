"""The state machine when many nodes start at once: who begins the run, and who looks for its place."""

from __future__ import annotations

import random

import pytest

from rdzv_core import (
    RendezvousConfigurationError,
    RendezvousConnectionError,
    RendezvousError,
    RendezvousTimeoutError,
)
from rdzv_core._handler import operations
from rdzv_core._handler.head import Head, Seat, Terms, encode_head
from rdzv_core._handler.machine import Machine
from rdzv_core._handler.settings import HandlerSettings
from rdzv_core._handler.states import Joining
from rdzv_core.abc import MemberLease, StateSnapshot

SETTINGS = HandlerSettings(min_nodes=100, max_nodes=100, node_id="node", address="host")


class Node:
    """A machine and what it has under way; `now` is its time."""

    def __init__(self, settings: HandlerSettings = SETTINGS) -> None:
        self.machine = Machine(settings, random=random.Random(1))
        self.now = 1000.0
        self.under_way: list[operations.Operation] = []
        self.machine.ask(self.now)
        self.take()

    def pending(self, kind: type[operations.Operation]) -> list[operations.Operation]:
        return [operation for operation in self.under_way if isinstance(operation, kind)]

    def answer(self, kind: type[operations.Operation], result: object) -> None:
        (operation,) = self.pending(kind)
        self.under_way.remove(operation)
        self.machine.done(operation, result, self.now)
        self.take()

    def sleep(self) -> None:
        assert self.machine.wake_at < float("inf"), "it waits for the store alone"
        self.now = self.machine.wake_at
        self.machine.tick(self.now)
        self.take()

    def take(self) -> None:
        """Note what the machine wants done."""
        self.under_way += self.machine.take_operations()


def begun() -> StateSnapshot:
    """Return the head that somebody has begun the run with."""
    return StateSnapshot(encode_head(Head(epoch="e", terms=Terms.of(SETTINGS))), 1)


def entered(ahead: int | None) -> Node:
    """Return a node that has just entered behind so many."""
    node = Node()
    node.answer(operations.ReadHead, begun())
    node.answer(operations.Enter, MemberLease(SETTINGS.ttl, "i", ahead=ahead))
    return node


def test_a_node_that_finds_no_head_begins_the_run_within_a_millisecond_for_each_node() -> None:
    """Of a hundred that start at once one begins: each waits for a moment of its own, and at most 0.1 s."""
    node = Node()
    began = node.now
    node.answer(operations.ReadHead, None)
    assert not node.pending(operations.WriteHead)
    while not node.pending(operations.WriteHead):
        node.sleep()
    assert began < node.now <= began + 0.1


def test_a_node_that_hears_of_a_head_meanwhile_begins_nothing() -> None:
    """The others have only waited: none of them writes."""
    node = Node()
    node.answer(operations.ReadHead, None)
    node.answer(operations.WaitHead, (True, begun()))
    assert node.pending(operations.Enter)
    until = node.now + 1.0
    while node.machine.wake_at < until:
        node.sleep()
    assert not node.pending(operations.WriteHead)


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        (HandlerSettings(min_nodes=1, max_nodes=1000, node_id="node", address="host"), 0.001),
        (HandlerSettings(min_nodes=1000, max_nodes=1000, node_id="node", address="host", join_timeout=0.3), 0.03),
    ],
)
def test_a_small_job_or_one_in_a_hurry_begins_sooner(settings: HandlerSettings, most: float) -> None:
    """It is spread over those who are sure to come, and over a tenth of the time that is left at most."""
    node = Node(settings)
    began = node.now
    node.answer(operations.ReadHead, None)
    while not node.pending(operations.WriteHead):
        node.sleep()
    assert began < node.now <= began + most


def test_a_node_that_is_in_a_round_does_not_look_for_its_place_before_its_turn() -> None:
    """Somebody led it, a moment ago: the first look is due as any other is, not soon after the entry."""
    node = entered(ahead=3)
    lease = node.machine.lease_keeper.lease
    assert lease is not None
    seats = (*(Seat(f"{number}", f"{number}", "host") for number in range(99)), Seat(lease.member.id, "node", "host"))
    formed = Head(epoch="e", terms=Terms.of(SETTINGS), revision=2, round=1, fence=1, size=100, roster=seats)
    node.answer(operations.WaitHead, (True, StateSnapshot(encode_head(formed), 2)))
    node.answer(operations.Update, True)
    assert [type(outcome) for outcome in node.machine.take_outcomes()] == [operations.RoundJoined]
    until = node.now + 0.3 * SETTINGS.ttl
    while node.machine.wake_at < until:
        node.sleep()
        for refresh in node.pending(operations.Refresh):
            node.answer(type(refresh), True)
    assert not node.pending(operations.ReadMembers)


def test_a_node_that_has_many_ahead_does_not_look_for_its_place_at_once() -> None:
    """Those ahead form the round, mostly; a seventh of all calls on the store is saved."""
    node = entered(ahead=3)
    assert not node.pending(operations.ReadMembers)


def test_a_node_that_has_many_ahead_looks_for_its_place_soon_if_no_round_forms() -> None:
    """All of them may have said goodbye: then this node leads, and is not to find that out a ttl later."""
    for ahead in (3, 99, 10_000):
        node = entered(ahead)
        began = node.now
        while not node.pending(operations.ReadMembers):
            node.sleep()
        assert 0.2 <= node.now - began <= 2.0


@pytest.mark.parametrize("ahead", [0, 2, None])
def test_a_node_that_may_be_among_the_first_looks_at_once(ahead: int | None) -> None:
    """The first three form the round; a node that is not told how many are ahead may be one of them."""
    assert entered(ahead).pending(operations.ReadMembers)


def test_a_node_that_is_cut_off_for_a_moment_while_it_joins_enters_again() -> None:
    """The store, or its client, has ended the membership meanwhile: that is no reason to give up within seconds."""
    node = entered(ahead=3)
    lost = RendezvousConnectionError("the connection was lost")
    for kind in (operations.WaitHead, operations.Refresh):
        node.now += 0.5
        (operation,) = node.pending(kind)
        node.under_way.remove(operation)
        if kind is operations.WaitHead:
            node.machine.failed(operation, lost, node.now)
        else:
            node.machine.done(operation, False, node.now)
        node.take()
    while not node.pending(operations.Enter):
        node.sleep()
    assert node.now < 1000.0 + SETTINGS.ttl
    assert node.machine.take_outcomes() == []


def fail_all(node: Node, error: Exception) -> None:
    """Make everything fail that is under way."""
    for operation in list(node.under_way):
        node.under_way.remove(operation)
        node.machine.failed(operation, error, node.now)
    node.take()


def test_a_store_that_is_away_ends_no_join_before_its_deadline() -> None:
    """At the first attempt or in the middle: the node goes on trying, says so, and names the cause at the deadline."""
    for node in (Node(), entered(ahead=3)):
        began, told, failed = node.now, [], []
        while not failed:
            fail_all(node, RendezvousConnectionError("connection refused"))
            node.sleep()
            outcomes = node.machine.take_outcomes()
            told += [outcome.text for outcome in outcomes if isinstance(outcome, operations.Notice)]
            failed += [outcome.error for outcome in outcomes if isinstance(outcome, operations.Failed)]
        assert SETTINGS.join_timeout <= node.now - began <= SETTINGS.join_timeout + SETTINGS.heartbeat_timeout
        assert isinstance(failed[0], RendezvousTimeoutError)
        assert "connection refused" in str(failed[0].__cause__)
        assert len(told) >= 10
        assert all("(connection refused): this node goes on trying for " in line for line in told)


def test_a_store_that_says_nothing_is_told_of_before_any_call_has_failed() -> None:
    """Silence is noticed after heartbeat_timeout, however long a backend waits for an answer."""
    node, told = Node(), []
    while not told:
        node.sleep()
        told = node.machine.take_outcomes()
    assert node.now == 1000.0 + SETTINGS.heartbeat_timeout
    assert "(no answer within 5 s)" in told[0].text


def test_a_store_that_is_back_is_told_of_and_the_join_goes_on() -> None:
    """What was said to be away is said to be back, once."""
    node = Node()
    fail_all(node, RendezvousConnectionError("connection refused"))
    while not node.machine.take_outcomes():
        node.sleep()
        fail_all(node, RendezvousConnectionError("connection refused"))
    while not node.pending(operations.ReadHead):
        node.sleep()
    node.answer(operations.ReadHead, begun())
    lines = [outcome.text for outcome in node.machine.take_outcomes()]
    assert lines[-1].startswith("the store is back after ")
    assert node.pending(operations.Enter)


def full_round(node: Node) -> StateSnapshot:
    """Return a head whose round is full, without this node."""
    seats = tuple(Seat(f"{number}", f"{number}", "host") for number in range(100))
    head = Head(epoch="e", terms=Terms.of(SETTINGS), revision=2, round=1, fence=1, size=100, roster=seats)
    return StateSnapshot(encode_head(head), 2)


def test_a_machine_that_was_suspended_past_its_join_timeout_still_looks_once_more() -> None:
    """R18: the look begins when it wakes, and is waited for: the round may be full, and the node stands by."""
    node = entered(ahead=3)
    node.now += 2 * SETTINGS.join_timeout
    node.machine.tick(node.now)
    node.take()
    assert not [outcome for outcome in node.machine.take_outcomes() if isinstance(outcome, operations.Failed)]
    node.under_way = [one for one in node.under_way if isinstance(one, operations.ReadHead)]
    node.answer(operations.ReadHead, full_round(node))
    outcomes = node.machine.take_outcomes()
    assert not [outcome for outcome in outcomes if isinstance(outcome, operations.Failed)]
    assert "standing by" in outcomes[-1].text


def test_a_spare_stands_by_again_once_any_answer_of_the_store_has_come() -> None:
    """After an absence it only waits and keeps its lease: its join timeout ran on though the store was back."""
    node = entered(ahead=3)
    node.answer(operations.WaitHead, (True, full_round(node)))
    node.under_way = [one for one in node.under_way if not isinstance(one, operations.ReadMembers)]
    (waiting,) = node.pending(operations.WaitHead)
    node.under_way.remove(waiting)
    node.machine.failed(waiting, RendezvousConnectionError("connection refused"), node.now)
    node.take()
    assert isinstance(node.machine.state, Joining)
    assert node.machine.state.deadline < float("inf")
    while not node.pending(operations.Refresh):
        node.sleep()
    node.answer(operations.Refresh, True)
    assert node.machine.state.deadline == float("inf")


def test_a_node_that_was_fenced_leaves_its_old_membership_before_it_enters_again() -> None:
    """It asks, so its work has stopped: the others need not wait a ttl for a member that has come back."""
    node = entered(ahead=3)
    lease = node.machine.lease_keeper.lease
    assert lease is not None
    while node.machine.lease_keeper.lease is not None:
        fail_all(node, RendezvousConnectionError("connection refused"))
        node.sleep()
    left = []
    while not node.pending(operations.Enter):
        left += node.pending(operations.Leave)
        for leave in node.pending(operations.Leave):
            node.answer(type(leave), None)
        node.sleep()
    assert [lease.member] == [leave.member for leave in left]


def test_a_node_whose_membership_the_store_has_ended_has_nothing_to_leave() -> None:
    """The store said so: the next membership is entered at once."""
    node = entered(ahead=3)
    while not node.pending(operations.Refresh):
        node.sleep()
    node.answer(operations.Refresh, False)
    assert node.pending(operations.Enter)
    assert not node.pending(operations.Leave)


@pytest.mark.parametrize(
    "error", [RendezvousConfigurationError("wrong password"), RendezvousError("no thread"), ZeroDivisionError("a bug")]
)
def test_what_waiting_cannot_fix_ends_a_join_at_once(error: Exception) -> None:
    """Credentials, certificates, another protocol, a fault of the backend: nobody waits ten minutes for those."""
    node = Node()
    fail_all(node, error)
    failed = [outcome.error for outcome in node.machine.take_outcomes() if isinstance(outcome, operations.Failed)]
    assert failed == [error]
