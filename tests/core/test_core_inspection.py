"""What is said of a run, given its head and its members: one phase, one state for each node, and what unblocks it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rdzv_core import RendezvousParameters, create_backend
from rdzv_core._explanation import is_local
from rdzv_core._handler.head import Announcement, Head, RoundId, Seat, Terms, encode_announcement, encode_head
from rdzv_core._run_status import RunStatus, status_of
from rdzv_core.abc import Member, MembersView
from rdzv_core.inspection import inspect_run

EPOCH = "e1"


def _head(*seats: str, round: int = 1, least: int = 1, most: int = 2, **more: Any) -> Head:  # noqa: A002
    roster = tuple(Seat(f"id-{node}", node, f"at-{node}") for node in seats)
    terms = Terms(least, most, 30.0, 15.0, 5.0)
    given = {"round": round if seats else 0, "fence": round, "incarnation": "i", "size": len(seats), "roster": roster}
    return Head(EPOCH, terms, **{**given, **more})


def _view(*members: tuple[str, Announcement]) -> MembersView:
    made = tuple(Member(f"id-{name}", encode_announcement(says)) for name, says in members)
    return MembersView("i", b"v", made)


def _at(node: str, number: int = 1, epoch: str = EPOCH) -> tuple[str, Announcement]:
    return node, Announcement(node, f"at-{node}", at=RoundId(epoch, number))


def _asks(node: str, number: int = 1) -> tuple[str, Announcement]:
    return node, Announcement(node, f"at-{node}", ask=RoundId(EPOCH, number))


def _states(found: RunStatus) -> dict[str, str]:
    return {each.node_id: each.state for each in [*found.roster, *found.waiting]}


def test_a_run_that_works_is_working_however_many_stand_by() -> None:
    """Spares as many as min_nodes are no round that forms, nor is a last call that an older leader wrote for them."""
    members = _view(_at("a"), _at("b"), _asks("c", 2))
    for head in (_head("a", "b"), _head("a", "b", last_call_round=2, last_call_number=3)):
        found = status_of("job", head, members)
        assert found.phase == "working"
        assert _states(found) == {"a": "working", "b": "working", "c": "standing by"}
        assert found.reasons == ["1 node stands by: the round is full with 2 nodes"]
        assert found.missing == 0


def test_a_node_for_which_there_is_a_place_joins() -> None:
    """Beside one that stands by: there is one place."""
    found = status_of("job", _head("a", most=2), _view(_at("a"), _asks("b", 2), _asks("c", 2)))
    assert _states(found) == {"a": "working", "b": "joining", "c": "standing by"}


def test_a_round_that_is_over_is_changing_until_its_members_have_stopped() -> None:
    """A node that has stopped joins, one that has not is awaited; the others learn it from the head."""
    head = _head("a", "b", "c", least=2, most=3, pending="LOST")
    found = status_of("job", head, _view(_at("a"), _asks("b", 2)))
    assert found.phase == "changing"
    assert _states(found) == {"a": "stopping", "b": "joining", "c": "lost"}
    assert found.reasons[0] == "round 1 is over (LOST): its members stop the work and join round 2"
    assert "awaited: a (at-a) is still in round 1; it has to stop its work and join, or leave" in found.reasons
    assert any("5 s (fence_delay)" in reason for reason in found.reasons)
    stopped = status_of("job", head, _view(_asks("a", 2), _asks("b", 2)))
    assert stopped.phase == "forming"


def test_a_roster_that_was_written_just_now_is_working_and_its_members_start() -> None:
    """Between the roster and what they say of it nobody is said to ask."""
    found = status_of("job", _head("a", "b"), _view(_asks("a", 1), _at("b")))
    assert found.phase == "working"
    assert _states(found) == {"a": "starting", "b": "working"}


def test_a_first_round_that_lacks_nodes_says_how_many_and_what_to_do() -> None:
    """And on a local endpoint that each host may host a store of its own."""
    members = _view(*(_asks(f"n{number}") for number in range(58)))
    found = status_of("job", _head(least=60, most=60), members, "localhost:29400")
    assert (found.phase, found.missing) == ("forming", 2)
    assert found.reasons[0].startswith("2 of 60 nodes are missing: round 1 needs at least 60; start the missing ones ")
    assert "the endpoint 'localhost:29400' names each host itself" in found.reasons[1]
    assert len(status_of("job", _head(least=60, most=60), members, "10.0.0.1:29400").reasons) == 1


def test_a_first_round_that_lacks_nodes_says_since_when_it_is_waited_for() -> None:
    """Of those that say when they came the first, by its own clock: no two clocks are compared."""
    late, early = _asks("late"), _asks("early")
    members = _view(
        *((name, msgspec.structs.replace(says, came=came)) for (name, says), came in ((late, 9), (early, 5)))
    )
    found = status_of("job", _head(least=3, most=3), members)
    assert found.reasons[1].startswith("the first to wait is early (at-early), which came at ")
    assert found.reasons[1].endswith(" by its own clock")


def test_a_last_call_says_when_it_ends() -> None:
    """At the latest, and what ends it at once."""
    found = status_of(
        "job", _head(least=2, most=4, last_call_round=1, last_call_number=1), _view(_asks("a"), _asks("b"))
    )
    assert found.phase == "last call"
    (reason,) = found.reasons
    assert "ends at most 30 s (last_call_timeout) after it began" in reason
    assert "or at once with 4 nodes (2 are joining)" in reason


def test_a_run_whose_members_are_all_done_is_finished_and_one_that_was_closed_is_closed() -> None:
    """The two ends have a word each."""
    assert status_of("job", _head("a", "b", closed=True, departed={"done": "3"}), _view()).phase == "finished"
    assert status_of("job", _head("a", "b", closed=True, departed={"done": "1"}), _view()).phase == "closed"


def test_members_that_are_not_there_after_the_store_lost_them_are_silent() -> None:
    """They may still be alive: they are lost only a ttl later."""
    found = status_of("job", _head("a", "b", incarnation="older"), _view(_asks("a", 2)))
    assert _states(found) == {"a": "joining", "b": "silent"}
    assert any("b (at-b) may still be alive" in reason and "15 s (ttl)" in reason for reason in found.reasons)


def test_members_of_an_epoch_that_was_reset_are_stopping() -> None:
    """They block the next round, and are shown."""
    found = status_of("job", _head(), _view(_at("a", 3, "e0"), _asks("b")))
    assert found.phase == "forming"
    assert _states(found) == {"a": "stopping", "b": "joining"}
    assert any(reason.startswith("awaited: a (at-a)") for reason in found.reasons)


def test_a_node_that_joins_again_after_its_lease_ended_counts_once() -> None:
    """Its seat is lost, and it joins."""
    again = ("a2", Announcement("a", "at-a", ask=RoundId(EPOCH, 2)))
    found = status_of("job", _head("a", "b", pending="LOST"), _view(again, _at("b")))
    assert sorted(found.states()) == ["joining", "stopping"]


@pytest.mark.parametrize("endpoint", ["localhost", "LOCALHOST:29400", "127.0.0.1:1", "0.0.0.0", ":29400", "[::1]:1"])
def test_an_endpoint_that_names_each_host_itself_is_local(endpoint: str) -> None:
    """Whatever it is written like."""
    assert is_local(endpoint)


@pytest.mark.parametrize("endpoint", ["", "localhost.example.com", "10.0.0.1:29400", "/shared/localhost", "host:1"])
def test_an_endpoint_of_one_host_or_a_path_is_not_local(endpoint: str) -> None:
    """No endpoint at all is that of a store that has none."""
    assert not is_local(endpoint)


def test_a_look_reads_no_history_of_another_epoch() -> None:
    """After a reset the failures of the run before are gone."""
    from rdzv_core._history import PURPOSE, Failure, note

    store = create_backend(RendezvousParameters("memory", "looks", "job", 1, 1))
    store.set_state(encode_head(_head("a")))
    failure = Failure("a", "at-a", 1, 0, 3, 1.0)
    note(store.sibling(PURPOSE), EPOCH, lambda history: history.failed(failure))
    assert inspect_run(store).last_failure == failure
    note(store.sibling(PURPOSE), "e0", lambda history: history.failed(failure))
    assert inspect_run(store).last_failure is None
    store.close()
