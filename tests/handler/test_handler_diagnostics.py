"""What a node says when no round formed: what is so, and not what would be so if the store were silent for good."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rdzv_core._handler import operations
from rdzv_core._handler.diagnostics import RunAt, timeout_text, waiting_text
from rdzv_core._handler.head import Head, Seat, Terms, encode_head
from rdzv_core._handler.lease import Lease
from rdzv_core._handler.machine import Machine
from rdzv_core._handler.roster import pack_roster
from rdzv_core._handler.settings import HandlerSettings
from rdzv_core._handler.situation import Situation
from rdzv_core._handler.view import LocalView
from rdzv_core.abc import Member, MemberLease, MembersView, StateSnapshot

SETTINGS = HandlerSettings(2, 300, "me", "host1", join_timeout=10)
OWN = Seat("m", "me", "host1")
HEAD = Head("e", Terms.of(SETTINGS), round=4, fence=4, size=300, digest="d", pages=9, master="host0")


def test_a_store_that_did_not_answer_is_not_said_to_be_empty() -> None:
    """The run's state is not known then, whatever it is."""
    text = timeout_text(SETTINGS, OWN, LocalView(head=None), None, None)
    assert text.endswith("the store has not answered")
    assert "no state" not in text


def test_a_timeout_says_how_many_came_who_and_what_to_do() -> None:
    """With what the backend has to say of the endpoint, which may be why nobody else came."""
    run = RunAt("x4", "localhost:29400", lambda: "Look at the endpoint")
    situation = Situation(candidates=(OWN,))
    assert timeout_text(SETTINGS, OWN, LocalView(looked=True, head=HEAD), situation, None, run) == (
        "run 'x4': only 1 of at least 2 nodes came within 10 s (join_timeout): me (host1). Start the others with the "
        "same --backend, --endpoint, --run-id and --nodes; see who is there with rdzv status. Look at the endpoint"
    )


@pytest.mark.parametrize(
    ("known", "situation", "said"),
    [
        (LocalView(), None, "waiting for a round: the store has not been read yet"),
        (LocalView(looked=True), None, "waiting for a round: the run has no state yet"),
        (
            LocalView(looked=True, head=HEAD),
            None,
            "waiting for round 5 of at least 2 nodes: its first 3 know who is there; round 4 had 300 nodes",
        ),
        (
            LocalView(looked=True, head=HEAD, place=0),
            Situation(candidates=(OWN,)),
            "waiting for round 5: 1 of at least 2 nodes (me (host1))",
        ),
        (
            LocalView(looked=True, head=HEAD, place=0),
            Situation(candidates=(OWN,), blockers=("n2 (b) is still in round 4",)),
            "waiting for round 5: 1 of at least 2 nodes (me (host1)); awaited: n2 (b) is still in round 4",
        ),
    ],
)
def test_a_node_that_waits_says_what_it_knows(known: LocalView, situation: Situation | None, said: str) -> None:
    """Without asking anybody: those who do not watch the memberships know only the head."""
    assert waiting_text(SETTINGS, known, situation, 7.4) == f"{said}; this node waits 7 s more"


def test_a_node_that_waits_says_so_every_half_minute() -> None:
    """With who is there, and how many are missing."""
    machine, head = Machine(replace(SETTINGS, join_timeout=100)), Head("e", Terms.of(SETTINGS))
    lease, payload, told = MemberLease(15, "i"), b"", []
    machine.ask(0.0)
    for now in map(float, range(95)):
        machine.tick(now)
        while started := machine.take_operations():
            for operation in started:
                match operation:
                    case operations.ReadHead():
                        machine.done(operation, StateSnapshot(encode_head(head), head.revision), now)
                    case operations.Enter() | operations.Update():
                        payload = operation.payload
                        machine.done(operation, lease if isinstance(operation, operations.Enter) else True, now)
                    case operations.ReadMembers():
                        machine.done(operation, MembersView("i", 1, (Member(lease.id, payload),)), now)
                    case operations.Refresh():
                        machine.done(operation, True, now)
        told += [(now, outcome.text) for outcome in machine.take_outcomes() if isinstance(outcome, operations.Notice)]
    text = "waiting for round 1: 1 of at least 2 nodes (me (host1)); this node waits {} s more"
    assert told == [(now, text.format(round(100 - now))) for now in (30.0, 60.0, 90.0)]


def test_a_spare_is_told_of_the_round_that_formed_without_it() -> None:
    """Though it has read neither its roster nor the members."""
    text = timeout_text(SETTINGS, OWN, LocalView(looked=True, head=HEAD), None, None)
    assert "round 4 formed with 300 of at most 300 nodes" in text


def test_a_node_whose_name_a_later_one_has_is_told_so() -> None:
    """It would wait for ever: of two with one node id the later one is let in."""
    text = timeout_text(SETTINGS, OWN, LocalView(looked=True, head=HEAD), Situation(superseded=frozenset({"m"})), None)
    assert text.endswith("another node has joined since with the node_id 'me': give each node its own")


def test_a_run_without_state_is_said_to_have_none() -> None:
    """Where the store did say so."""
    assert "the run has no state" in timeout_text(SETTINGS, OWN, LocalView(looked=True), None, None)


def test_at_the_deadline_a_node_still_looks_itself_up_in_a_roster_of_pages() -> None:
    """R18: it may be in the roster that its last look has found, of which it has read no page yet."""
    machine, now = Machine(SETTINGS), 0.0
    head, lease = Head("e", Terms.of(SETTINGS)), MemberLease(15, "i", ahead=10)

    def answer() -> list[type[operations.Operation]]:
        asked = machine.take_operations()
        for operation in asked:
            match operation:
                case operations.ReadHead():
                    machine.done(operation, StateSnapshot(encode_head(head), head.revision), now)
                case operations.Enter():
                    machine.done(operation, lease, now)
                case operations.Refresh() | operations.Update():
                    machine.done(operation, True, now)
                case operations.FindRank():
                    machine.done(operation, 200, now)
        return [type(operation) for operation in asked]

    machine.ask(now)
    while answer():
        pass
    seats = (*(Seat(f"{number:032x}", f"n{number}", "a") for number in range(200)), Seat(lease.id, "me", "host1"))
    packed = pack_roster(seats)
    head = head.changed(
        round=1, fence=1, size=201, digest=packed.digest, pages=len(packed.pages), master="a", incarnation="i"
    )
    while now < SETTINGS.join_timeout:
        now += 1.0
        machine.tick(now)
        answer()
    while answer():
        pass
    outcomes = [type(outcome) for outcome in machine.take_outcomes()]
    assert [kind for kind in outcomes if kind is not operations.Notice] == [operations.RoundJoined]


def test_a_lease_of_one_interval_is_renewed_before_it_ends() -> None:
    """With keep_alive_max_attempt=1 a whole interval would be later than the fence."""
    settings = HandlerSettings(1, 1, "me", "host1", keep_alive_max_attempt=1)
    lease = Lease(MemberLease(settings.ttl, "i"), 0.0, settings.ttl, settings.keep_alive_interval, b"")
    assert lease.refresh_at < lease.fenced_at
