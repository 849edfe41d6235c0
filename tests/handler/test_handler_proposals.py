"""What the leader makes of a situation: one row for each thing that it may write, or wait for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from rdzv_core._handler.head import DepartureOutcome, Head, Seat, Terms
from rdzv_core._handler.proposals import FormRoster, Proposal, Proposer, WaitUntil
from rdzv_core._handler.rank_order import natural_order
from rdzv_core._handler.rules import Rules
from rdzv_core._handler.situation import Situation
from rdzv_core._handler.view import LocalView
from rdzv_core.abc import MembersView

NOW = 100.0
TERMS = Terms(min_nodes=2, max_nodes=3, last_call_timeout=30.0, ttl=15.0, fence_delay=5.0)


def seats(names: str) -> tuple[Seat, ...]:
    return tuple(Seat(name, name, f"host-{name}") for name in names)


@dataclass
class Case:
    """Round 1 of `ab` is the last one; `asking` are the candidates, `gone` since when who has gone."""

    rule: str
    expected: str
    asking: str = ""
    head: dict[str, Any] = field(default_factory=dict)
    departed: dict[str, DepartureOutcome] = field(default_factory=dict)
    gone: dict[str, float] = field(default_factory=dict)
    situation: dict[str, Any] = field(default_factory=dict)
    known: dict[str, Any] = field(default_factory=dict)
    evict_after: float | None = None
    roster: str = "ab"

    def proposed(self) -> str:
        """Return what is proposed, in words."""
        head = Head("e", TERMS, revision=7, round=1, fence=1, roster=seats(self.roster), size=len(self.roster))
        head = head.changed(**self.head)
        situation = Situation(
            candidates=seats(self.asking), asking=len(self.asking), departed=self.departed, **self.situation
        )
        known = LocalView(head=head, view=MembersView("i", 1, ()), gone_since=self.gone, **self.known)
        return described(Proposer(Rules(), natural_order, self.evict_after).propose(known, head, situation, NOW), head)


def described(proposal: Proposal | None, head: Head) -> str:
    if proposal is None:
        return "nothing"
    if isinstance(proposal, WaitUntil):
        return f"wait until {proposal.time:g}"
    if isinstance(proposal, FormRoster):
        return "a roster"
    new = proposal.head
    changes = {
        name: getattr(new, name)
        for name in ("closed", "last_call_round", "pending", "departed")
        if getattr(new, name) != getattr(head, name)
    }
    return f"{proposal.purpose}: {changes}"


BLOCKED = {"blockers": ("c is still in round 1",), "not_asking": ("c",), "working": 1}
CALLED = {"last_call_round": 2, "last_call_number": 5}

CASES = {
    "a closed run is left alone": Case("R14", "nothing", "abc", head={"closed": True}),
    "so is an epoch without terms": Case("R14", "nothing", "abc", head={"terms": None}),
    "all are done": Case(
        "R23", "close: {'closed': True, 'departed': {'done': '3'}}", "c", departed={"a": "done", "b": "done"}
    ),
    "one of them left": Case(
        "R23", "pending: {'departed': {'left': '1', 'done': '2'}}", "c", departed={"a": "left", "b": "done"}
    ),
    "too few ask": Case("R17", "nothing", "a"),
    "the last call is called off": Case("R17", "call off: {'last_call_round': 0}", "a", head=CALLED),
    "enough ask: a last call": Case("R17", "last call: {'last_call_round': 2}", "ab"),
    "the last call is on": Case("R17", "wait until 120", "ab", head=CALLED, known={"last_call_since": ("e", 5, 90.0)}),
    "the last call is over": Case("R17", "a roster", "ab", head=CALLED, known={"last_call_since": ("e", 5, 70.0)}),
    "a last call of the round before does not count": Case(
        "R17", "last call: {'last_call_round': 2}", "ab", head={"last_call_round": 1}
    ),
    "max_nodes ask": Case("R17", "a roster", "abc"),
    "somebody still works": Case("R7", "nothing", "abc", head={"pending": "ASKED"}, situation=BLOCKED),
    "those who work are told why: a member asks": Case(
        "R7", "pending: {'pending': 'ASKED'}", "ab", situation={**BLOCKED, "seated_asking": 2}
    ),
    "a node waits": Case("R12", "pending: {'pending': 'WAITING'}", "d", situation={**BLOCKED, "admissible": 1}),
    "a spare waits": Case("R12", "nothing", "d", situation=BLOCKED),
    "a member is lost": Case(
        "R12",
        "pending: {'pending': 'LOST', 'departed': {'lost': '1'}}",
        "",
        departed={"a": "lost"},
        situation=BLOCKED,
        gone={"a": 99.0},
    ),
    "no last call while members work that nobody told to stop": Case("R24", "nothing", "abc", situation=BLOCKED),
    "who is lost may still be stopping": Case(
        "R6", "wait until 104", "bcd", departed={"a": "lost"}, gone={"a": 99.0}, head={"departed": {"lost": "1"}}
    ),
    "it has had its time": Case("R6", "a roster", "bcd", departed={"a": "lost"}, gone={"a": 94.9}),
    "who left has stopped": Case("R6", "a roster", "bcd", departed={"a": "left"}, gone={"a": 99.0}),
    "who vanished with a register is waited for too": Case(
        "R10", "wait until 104.5", "abc", known={"vanished_since": {"x": 99.5}}
    ),
    "who worked in a lost epoch is not known": Case(
        "R20", "wait until 103", "abc", situation={"previous_epochs": {"lost"}}, known={"watched_since": 98.0}
    ),
    "who worked in a lost epoch is known": Case(
        "R20",
        "a roster",
        "abc",
        situation={"previous_epochs": {"lost"}},
        known={"watched_since": 98.0, "remembered": "lost"},
    ),
    "a goodbye is kept, and those who work are told": Case(
        "R21",
        "pending: {'pending': 'LOST', 'departed': {'left': '1'}}",
        "",
        departed={"a": "left"},
        situation=BLOCKED,
    ),
    "one that is done disturbs nobody": Case(
        "R21", "pending: {'departed': {'done': '1'}}", "", departed={"a": "done"}, situation=BLOCKED
    ),
    "what the head has is not written again": Case(
        "R21", "nothing", "", departed={"a": "done"}, situation=BLOCKED, head={"departed": {"done": "1"}}
    ),
    "a member that does not stop is dropped": Case(
        "R7",
        "pending: {'departed': {'lost': '2'}}",
        "a",
        head={"pending": "ASKED"},
        situation={"not_asking": ("b",), "working": 1, "blockers": ("b is still in round 1",)},
        known={"pending_since": ("e", 1, 90.0)},
        evict_after=10.0,
    ),
    "but not before evict_after": Case(
        "R7",
        "wait until 101",
        "a",
        head={"pending": "ASKED"},
        situation={"not_asking": ("b",), "working": 1, "blockers": ("b is still in round 1",)},
        known={"pending_since": ("e", 1, 90.0)},
        evict_after=11.0,
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.rule}: {name}") for name, case in CASES.items()])
def test_the_leader_proposes_what_the_rules_allow(case: Case) -> None:
    """Each row of the table is one sentence about the protocol."""
    assert case.expected == case.proposed()


def test_a_roster_is_the_next_round_and_forgets_the_last() -> None:
    """Round and fence grow by one; what was pending, called or departed is over."""
    head = Head("e", TERMS, 1, 7, 1, 4, roster=seats("ab"), size=2, pending="LOST", departed={"left": "1"})
    head = head.changed(last_call_round=2, last_call_number=5, previous_epoch="before")
    known = LocalView(head=head, view=MembersView("i7", 1, ()))
    made = Proposer(Rules(), natural_order).roster(known, head, Situation(candidates=seats("bc")), "w").head
    assert (2, 5, head.revision + 1) == (made.round, made.fence, made.revision)
    assert ("c", "b") == tuple(seat.member for seat in made.roster)
    assert ("i7", "w", 2) == (made.incarnation, made.writer, made.size)
    assert ("", {}, 0, 0, "") == (
        made.pending,
        made.departed,
        made.last_call_round,
        made.last_call_number,
        made.previous_epoch,
    )


def test_a_large_roster_has_a_value_of_its_own() -> None:
    """The head names it, and says where rank 0 is."""
    head = Head("e", TERMS)
    known = LocalView(head=head, view=MembersView("i", 1, ()))
    proposer = Proposer(Rules(), natural_order, inline_bytes=0)
    made = proposer.roster(known, head, Situation(candidates=seats("abc")), "w")
    assert made.roster is not None
    assert (made.roster.digest, 1, "host-a", ()) == (
        made.head.digest,
        made.head.pages,
        made.head.master,
        made.head.roster,
    )
