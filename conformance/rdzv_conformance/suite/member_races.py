"""RDZV-MEMBER-1, 2, 5 and 19: members that come, change and go at the same time."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import copy
import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Blamed, equal
from rdzv_conformance.harness.threads import STUCK, Running, frequent_switches, race
from rdzv_conformance.suite.pairs import two_members
from rdzv_conformance.suite.sequence_numbers import numbered
from rdzv_core import MembersView, SupportsMembership

TTL = 600.0
MOST, LEAST, SECONDS = 60, 8, 0.2
"""Members that one lets come and go, by how long they may take."""

APART = 1_000_000
"""Between the sequence numbers of two updates."""


class CameAndWent(NamedTuple):
    """What one has done to the members of its own."""

    there: dict[str, str]
    """The payloads of those that have not left, by id."""
    left: list[str]


class MemberRaces:
    """No call takes back what another one does at the same time."""

    @clause("RDZV-MEMBER-1", "RDZV-MEMBER-2", "RDZV-MEMBER-5")
    def test_RDZV_MEMBER_1_who_comes_and_goes_at_once_undoes_nothing(self, under_test: BackendUnderTest) -> None:
        """Threads of three instances enter, update, refresh and leave, each with members of its own."""
        backends = [*two_members(under_test), under_test.needs(SupportsMembership, under_test.open())]
        done = race(len(backends), lambda number: come_and_go(backends[number], str(number)), under_test.target.pace)
        judge_members(f"{len(backends)} threads", backends[0].members(), done)

    @clause("RDZV-MEMBER-2", "RDZV-MEMBER-19")
    def test_RDZV_MEMBER_2_a_refresh_takes_back_no_update(self, under_test: BackendUnderTest) -> None:
        """A thread renews a member, as an agent does, while another one changes its payload and reads it."""
        one, other = two_members(under_test)
        lease, over, renewals = one.enter(b"new", TTL), threading.Event(), list[bool]()
        # Renewals are newer than the last update, and older than the next one: who is late may be overtaken.
        renewed, numbers = copy.copy(lease), [itertools.count(1)]
        vars(renewed)["next_sequence"] = lambda: next(numbers[-1])

        def renew() -> None:
            while not over.is_set():
                renewals.append(one.refresh(renewed))

        with frequent_switches():
            renewing = Running(renew)
            try:
                for turn in _turns():
                    payload, number = b"%d" % turn, (turn + 1) * APART
                    gave = one.update(numbered(lease, number), payload)
                    equal("what update gave while another thread renews the member", gave, True)
                    numbers.append(itertools.count(number + 1))
                    begun = len(renewals)
                    while len(renewals) == begun and not renewing.ended(0.0):
                        time.sleep(0)  # the other thread's turn: one that had begun before the update is to end
                    found = [each.payload for each in other.members().members]
                    equal("the payload after an update, while another thread renews the member,", found, [payload])
            finally:
                over.set()
            renewing.result(under_test.paced(STUCK), "a thread that renews a member has not ended")
        equal("what refresh gave while another thread updated the member", {*renewals}, {True})


def _turns() -> Iterator[int]:
    ends = time.monotonic() + SECONDS
    for turn in range(MOST):
        if turn >= LEAST and time.monotonic() > ends:
            return
        yield turn


def come_and_go(members: SupportsMembership, name: str) -> CameAndWent:
    """Enter, update and refresh many times; two of three leave again."""
    done = CameAndWent({}, [])
    for turn in _turns():
        lease, payload = members.enter(b"new", TTL), f"{turn} of {name}"
        if not members.update(lease, payload.encode()):
            raise _lost("update")
        if not members.refresh(lease):
            raise _lost("refresh")
        if turn % 3:
            members.leave(lease)
            done.left.append(lease.id)
        else:
            done.there[lease.id] = payload
    return done


def judge_members(who: str, view: MembersView, done: list[CameAndWent]) -> None:
    """Fail the clause unless those are there who did not leave, each with what it was told to be its payload."""
    found = {each.id: each.payload.decode("utf-8", "replace") for each in view.members}
    for each in done:
        _judge(who, found, each)
    known = {member for each in done for member in (*each.there, *each.left)}
    _fail_for(who, "whose ids nobody was given are there", [each for each in found if each not in known], 1)


def _judge(who: str, found: Mapping[str, str], done: CameAndWent) -> None:
    _fail_for(who, "are not there", [each for each in done.there if each not in found], 1)
    _fail_for(who, "that left are there", [each for each in done.left if each in found], 5)
    wrong = [each for each in done.there if found[each] != done.there[each]]
    _fail_for(who, f"have a payload from before their update ({[found[each] for each in wrong[:3]]})", wrong, 2)
    order = [each for each in found if each in done.there]
    _fail_for(who, "are in another order than they entered", order if order != [*done.there] else [], 1)


def _fail_for(who: str, what: str, members: list[str], clause: int) -> None:
    if members:
        told = f"{who} let members enter, change and leave at once, and {len(members)} members {what}"
        raise Blamed(told, (f"RDZV-MEMBER-{clause}",))


def _lost(what: str) -> Blamed:
    told = f"{what} of a member that had just entered gave False, while others entered, changed and left at once"
    return Blamed(told, ("RDZV-MEMBER-1",))
