"""When a goodbye is over, and who writes it into the head: the rules behind `leave` and `finish`."""

from __future__ import annotations

from typing import Any

import pytest

from rdzv_core._handler.departure_rules import DepartureRules
from rdzv_core._handler.head import Announcement, Head, RoundId, Seat, Terms, encode_announcement
from rdzv_core._handler.rules import Rules
from rdzv_core._handler.states import Departing
from rdzv_core._handler.view import LocalView
from rdzv_core.abc import Member, MembersView

TERMS = Terms(1, 4, 30.0, 15.0, 5.0)
SEATS = tuple(Seat(name, name, f"host-{name}") for name in ("me", "other"))
HEAD = Head("e", TERMS, revision=4, round=1, fence=1, roster=SEATS, size=2, incarnation="i")
DELAY = 1.0


def rules_of(head: Head | None, **known: Any) -> DepartureRules:
    return DepartureRules(LocalView(head=head, **known), Rules(), DELAY)


@pytest.mark.parametrize(
    ("head", "known", "own", "over"),
    [
        pytest.param(HEAD, {}, "me", False, id="R21: the head does not have it yet"),
        pytest.param(HEAD.changed(departed={"left": "1"}), {}, "me", True, id="R21: the head has it"),
        pytest.param(HEAD.changed(departed={"left": "2"}), {}, "me", False, id="R21: the head has another one's"),
        pytest.param(HEAD.changed(closed=True), {}, "me", True, id="R21: the run is closed"),
        pytest.param(None, {}, "me", True, id="there is no head"),
        pytest.param(HEAD, {"unreadable": "garbage"}, "me", True, id="the head cannot be read"),
        pytest.param(HEAD, {}, "nobody", True, id="it has no seat: nobody will miss it"),
        pytest.param(HEAD.changed(roster=(), digest="d"), {}, "me", False, id="it is not known whether it has a seat"),
    ],
)
def test_a_goodbye_is_over_when_nobody_will_take_it_for_a_loss(
    head: Head | None, known: dict[str, Any], own: str, over: bool
) -> None:
    """Until then the lease is held."""
    assert over == rules_of(head, **known).is_over(Departing("left", said_at=1.0), own)


def view(**says: Any) -> MembersView:
    members = (Member(name, encode_announcement(Announcement(name, name, **said))) for name, said in says.items())
    return MembersView("i", 1, tuple(members))


DONE, WORKS, ASKS = {"bye": "done"}, {"at": RoundId("e", 1)}, {"ask": RoundId("e", 2)}


@pytest.mark.parametrize(
    ("known", "last"),
    [
        pytest.param({}, None, id="it has not looked since"),
        pytest.param({"place_started": 9.0, "place": 0}, None, id="it looked before it said goodbye"),
        pytest.param({"place_started": 11.0, "place": 1}, False, id="another one is ahead, and will see to it"),
        pytest.param({"place_started": 11.0, "place": 0}, None, id="the others have not been read"),
        pytest.param(
            {"place_started": 11.0, "place": 0, "view_started": 11.0, "view": view(me=DONE, other=DONE)},
            True,
            id="R23: all are done",
        ),
        pytest.param(
            {"place_started": 11.0, "place": 0, "view_started": 11.0, "view": view(me=DONE, other=WORKS)},
            False,
            id="R23: another one works",
        ),
        pytest.param(
            {"place_started": 11.0, "place": 0, "view_started": 11.0, "view": view(me=DONE, other=DONE, spare=ASKS)},
            True,
            id="R23: all are done, and a spare waits",
        ),
        pytest.param(
            {"place_started": 11.0, "place": 0, "view_started": 11.0, "view": view(me=DONE, spare=ASKS)},
            False,
            id="R23: one was lost, and a spare takes its work over",
        ),
        pytest.param(
            {"place_started": 11.0, "place": 0, "view_started": 11.0, "view": view(me=DONE)},
            True,
            id="R23: one was lost, and nobody is left",
        ),
    ],
)
def test_the_last_one_finds_out_that_it_is_the_last(known: dict[str, Any], last: bool | None) -> None:
    """By a look that began after its goodbye."""
    assert last is rules_of(HEAD, **known).is_last(Departing("done", said_at=10.0))


@pytest.mark.parametrize(
    ("place", "turn"),
    [(0, 10.25), (1, 11.25), (3, 13.25), (30, 13.25)],
    ids=["first", "second", "fourth", "far behind"],
)
def test_a_node_that_goes_writes_in_its_turn(place: int, turn: float) -> None:
    """R21: a deputy delay later for each place, three at most, and spread over those who go at once."""
    rules = rules_of(HEAD, place=place, place_started=10.5)
    assert turn == rules.turn_to_write(Departing("left", said_at=10.0, spread=0.25))


def test_nobody_writes_before_it_knows_its_place() -> None:
    """By a look after its goodbye."""
    assert rules_of(HEAD, place=0, place_started=9.0).turn_to_write(Departing("left", said_at=10.0)) == float("inf")


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        (HEAD.changed(departed={"left": "1"}), True),
        (HEAD.changed(departed={"lost": "1"}), False),
        (HEAD.changed(departed={"lost": "1"}, closed=True), True),
        (HEAD.changed(roster=SEATS[1:]), True),
        (None, False),
    ],
    ids=["it left", "it counts as lost", "the run is closed", "it has no seat", "there is no head"],
)
def test_a_goodbye_is_kept_unless_the_head_says_lost(head: Head | None, kept: bool) -> None:
    """R21: that is what the caller of `leave` may rely on."""
    assert kept == rules_of(head).is_kept("me")
