"""What a head and a reading of the memberships amount to: one row for each case of each rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from rdzv_core._handler.head import Announcement, Head, RoundId, Seat, Terms, encode_announcement
from rdzv_core._handler.rank_order import natural_order
from rdzv_core._handler.rules import Rules
from rdzv_core._handler.situation import Situation
from rdzv_core.abc import Member, MembersView

TERMS = Terms(min_nodes=1, max_nodes=3, last_call_timeout=30.0, ttl=15.0, fence_delay=5.0)


def asks(round_: int, epoch: str = "e", was: str = "", node: str = "") -> dict[str, Any]:
    return {"ask": RoundId(epoch, round_), "previous_epoch": was, "node": node}


def works(round_: int, epoch: str = "e") -> dict[str, Any]:
    return {"at": RoundId(epoch, round_)}


LEFT, DONE, UNREADABLE = {"bye": "left"}, {"bye": "done"}, None
IDLE: dict[str, Any] = {}


@dataclass
class Case:
    """Round 1 of epoch `e` has seats for `roster`; `members` say what they say, in entry order."""

    rule: str
    members: dict[str, dict[str, Any] | None]
    expected: dict[str, Any]
    roster: str = "ab"
    departed: dict[str, str] = field(default_factory=dict)
    incarnation: str = "i"
    settled: bool = False
    max_nodes: int = 3
    previous_epoch: str = ""

    def situation(self) -> Situation:
        seats = tuple(Seat(name, name, f"host-{name}") for name in self.roster)
        terms = Terms(1, self.max_nodes, 30.0, 15.0, 5.0)
        head = Head("e", terms, round=1, fence=1, roster=seats, size=len(seats), incarnation="i")
        head = head.changed(departed=head.masks(self.departed), previous_epoch=self.previous_epoch)  # type: ignore[arg-type]
        members = tuple(Member(name, _payload(name, says)) for name, says in self.members.items())
        return Rules().assess(head, MembersView(self.incarnation, 1, members), self.settled)


def _payload(name: str, says: dict[str, Any] | None) -> bytes:
    if says is None:
        return b"\xff"
    node = says.get("node") or name
    return encode_announcement(Announcement(**{**says, "node": node, "address": f"host-{node}"}))


CASES = {
    "all ask for the next round": Case(
        "R1",
        {"a": asks(2), "b": asks(2)},
        {"candidates": "ab", "asking": 2, "seated_asking": 2, "blockers": (), "not_asking": ()},
    ),
    "an ask for the round that has formed is the old one": Case(
        "R1",
        {"a": asks(2), "b": asks(1)},
        {"candidates": "a", "asking": 1, "blockers": ("b (host-b) is still in round 1",), "not_asking": ("b",)},
    ),
    "who has no seat asks with any number": Case("R1", {"c": asks(1)}, {"candidates": "c", "seated_asking": 0}),
    "who works is waited for": Case(
        "R7",
        {"a": works(1), "b": asks(2)},
        {"blockers": ("a (host-a) is still in round 1",), "working": 1, "not_asking": ("a",), "asking": 1},
    ),
    "who has said goodbye is not": Case(
        "R7", {"a": LEFT, "b": DONE}, {"blockers": (), "departed": {"a": "left", "b": "done"}, "asking": 0}
    ),
    "the goodbye that the head has counts, whatever the member says now": Case(
        "R7",
        {"a": works(1), "b": asks(2)},
        {"departed": {"a": "left"}, "blockers": (), "candidates": "b"},
        departed={"a": "left"},
    ),
    "who is absent is lost in the incarnation of the roster": Case(
        "R8", {"b": asks(2)}, {"departed": {"a": "lost"}, "maybe_alive": frozenset(), "blockers": ()}
    ),
    "who is absent in a new incarnation may still be alive": Case(
        "R8",
        {"b": asks(2)},
        {"departed": {}, "maybe_alive": {"a"}, "blockers": ("a (host-a) may still be alive",), "working": 0},
        incarnation="i2",
    ),
    "until it has been known for a ttl": Case(
        "R8", {"b": asks(2)}, {"departed": {"a": "lost"}, "blockers": ()}, incarnation="i2", settled=True
    ),
    "who went before the store lost the memberships has gone": Case(
        "R8",
        {"b": asks(2)},
        {"departed": {"a": "done"}, "maybe_alive": set()},
        departed={"a": "done"},
        incarnation="i2",
    ),
    "who works in another epoch blocks": Case(
        "R9",
        {"a": asks(2), "b": asks(2), "c": works(1, "lost")},
        {
            "blockers": ("c (host-c) is in a round that this run's register does not know",),
            "working": 1,
            "not_asking": (),
        },
    ),
    "who asks in another epoch blocks": Case(
        "R9",
        {"a": asks(2), "c": asks(2, "lost")},
        {"blockers": ("c (host-c) is in a round that this run's register does not know",), "candidates": "a"},
    ),
    "who works in a round of this epoch that the register does not know blocks": Case(
        "R9",
        {"a": works(2)},
        {"blockers": ("a (host-a) is in a round that this run's register does not know",), "not_asking": ()},
    ),
    "who works in the last round without a seat in it blocks": Case("R9", {"c": works(1)}, {"working": 1}),
    "who cannot be read blocks": Case(
        "R9",
        {"a": asks(2), "c" * 9: UNREADABLE},
        {"blockers": ("member cccccccc is in a round that this run's register does not know",)},
    ),
    "who says nothing and has no seat is nobody": Case(
        "R9", {"a": asks(2), "b": asks(2), "c": IDLE}, {"blockers": (), "asking": 2}
    ),
    "a seat whose member says nothing is at work": Case(
        "R7", {"a": IDLE, "b": asks(2)}, {"blockers": ("a (host-a) is still in round 1",), "not_asking": ("a",)}
    ),
    "there is one place": Case(
        "R12", {"a": works(1), "b": works(1), "c": asks(2), "d": asks(2)}, {"admissible": 1, "asking": 2}
    ),
    "a round that is full has none": Case(
        "R12", {"a": works(1), "b": works(1), "c": asks(2)}, {"admissible": 0}, max_nodes=2
    ),
    "who left, or is lost, gave its place up": Case(
        "R12", {"a": works(1), "c": asks(2)}, {"admissible": 1, "departed": {"b": "lost"}}, max_nodes=2
    ),
    "who is done keeps its place": Case(
        "R12", {"a": works(1), "b": DONE, "c": asks(2)}, {"admissible": 0}, max_nodes=2
    ),
    "an old self wakes nobody": Case(
        "R12",
        {"old": asks(2, node="b"), "a": works(1), "b": works(1)},
        {"admissible": 0, "superseded": {"old"}},
    ),
    "an old self is no candidate": Case(
        "R12",
        {"old": asks(1, node="c"), "a": asks(2), "c": asks(2)},
        {"candidates": "ac", "superseded": {"old"}, "asking": 3},
    ),
    "those of the last roster come first": Case(
        "R12", {"c": asks(2), "d": asks(2), "a": asks(2), "b": asks(2)}, {"candidates": "abc"}
    ),
    "a member names the lost epoch that it worked in": Case(
        "R20", {"a": asks(2), "c": asks(2, was="lost")}, {"previous_epochs": {"lost"}}
    ),
    "so does the head after a reset": Case("R20", {}, {"previous_epochs": {"before"}}, previous_epoch="before"),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.rule}: {name}") for name, case in CASES.items()])
def test_a_situation_is_what_the_rules_make_of_it(case: Case) -> None:
    """Each row of the table is one sentence about the protocol."""
    found = case.situation()
    shown = {name: getattr(found, name) for name in case.expected}
    if "candidates" in shown:
        shown["candidates"] = "".join(seat.member for seat in found.candidates)
    assert case.expected == shown


@pytest.mark.parametrize(
    ("last", "candidates", "expected"),
    [
        pytest.param("", "cab", "abc", id="a first round is in natural order"),
        pytest.param("abc", "cba", "abc", id="everybody keeps its rank"),
        pytest.param("abc", "cb", "cb", id="the rank of one who went is taken from the end"),
        pytest.param("ab", "xba", "abx", id="a new one gets what is left over"),
        pytest.param("abcd", "dxa", "adx", id="a rank that is too high is given up"),
    ],
)
def test_ranks_stay_where_they_can(last: str, candidates: str, expected: str) -> None:
    """A node keeps its rank if that is below the number of nodes; the others fill the gaps."""
    ranked = natural_order(_seats(candidates), _seats(last))
    assert expected == "".join(seat.node for seat in ranked)


def test_hosts_are_ordered_by_their_numbers() -> None:
    """host2 comes before host10."""
    seats = [Seat(address, address, address) for address in ("host10", "host2", "host1")]
    assert ["host1", "host2", "host10"] == [seat.address for seat in natural_order(seats, ())]


@pytest.mark.parametrize(("age", "valid"), [(0.0, True), (13.49, True), (13.5, False), (15.0, False)])
def test_a_lease_is_believed_in_for_nine_tenths_of_its_ttl(age: float, valid: bool) -> None:
    """R2, R4: until then it may write and work; from then on neither."""
    rules = Rules()
    assert (valid, not valid) == (rules.may_write(100.0 + age, 100.0, 15.0), rules.is_fenced(100.0 + age, 100.0, 15.0))


@pytest.mark.parametrize(("how", "waits"), [("lost", True), ("left", False), ("done", False)])
def test_only_an_expired_member_may_still_be_stopping(how: Any, waits: bool) -> None:
    """R6: who said goodbye has stopped its work before."""
    assert waits == Rules().needs_fence(how)


def _seats(names: str) -> list[Seat]:
    return [Seat(name, name, f"host-{name}") for name in names]
