"""Keeping one's own membership: what is started for which intent, and what an answer does."""

from __future__ import annotations

import random
from typing import Any

import pytest

from rdzv_core._handler import operations
from rdzv_core._handler.channels import Channels
from rdzv_core._handler.lease_keeper import LeaseIntent, LeaseKeeper
from rdzv_core._handler.operations import Channel
from rdzv_core._handler.settings import HandlerSettings
from rdzv_core.abc import MemberLease

SETTINGS = HandlerSettings(1, 1, "a", "host-a")  # a ttl of 15 s, refreshed every 5 s, given up after 5 s
SAID, NEW = b"what it says", b"something new"


class Keeper(LeaseKeeper):
    """A keeper, and what it starts."""

    def __init__(self) -> None:
        self.channels = Channels(random.Random(1), 1.0)
        super().__init__(SETTINGS, self.channels)

    def entered(self, at: float = 0.0) -> Keeper:
        """Have a membership that says `SAID`, asked for at that time."""
        self.plan(LeaseIntent.ENTER, SAID, at)
        self.answer(MemberLease(15.0, "i", "a#1"))
        return self

    def answer(self, result: Any) -> bool:
        """Answer what is under way; False if the membership has ended."""
        (operation,) = self.started()
        assert self.channels.retire(operation)
        return self.take_in(operation, result)

    def started(self) -> list[operations.Operation]:
        """Return what has been started, once."""
        started, self.channels.operations = self.channels.operations, []
        return started

    def kinds(self) -> list[str]:
        return [type(operation).__name__ for operation in self.started()]


@pytest.mark.parametrize(
    ("member", "intent", "payload", "now", "expected"),
    [
        pytest.param(False, LeaseIntent.NOTHING, SAID, 0.0, [], id="nothing is wanted"),
        pytest.param(False, LeaseIntent.KEEP, SAID, 0.0, [], id="there is nothing to keep"),
        pytest.param(False, LeaseIntent.LEAVE, None, 0.0, [], id="there is nothing to leave"),
        pytest.param(False, LeaseIntent.ENTER, None, 0.0, [], id="it is not known yet what to say"),
        pytest.param(False, LeaseIntent.ENTER, SAID, 0.0, ["Enter"], id="enter"),
        pytest.param(True, LeaseIntent.KEEP, SAID, 4.9, [], id="R2: a refresh is not due yet"),
        pytest.param(
            True, LeaseIntent.KEEP, SAID, 5.0, ["Refresh"], id="R2: a refresh is due an interval after the last"
        ),
        pytest.param(True, LeaseIntent.NOTHING, None, 9.0, [], id="one that wants nothing lets its lease end"),
        pytest.param(True, LeaseIntent.KEEP, None, 5.0, ["Refresh"], id="nothing new to say"),
        pytest.param(True, LeaseIntent.KEEP, NEW, 1.0, ["Update"], id="something new is said at once"),
        pytest.param(True, LeaseIntent.ENTER, NEW, 1.0, ["Update"], id="a member that asks says so where it is"),
        pytest.param(True, LeaseIntent.LEAVE, None, 1.0, ["Leave"], id="leave"),
    ],
)
def test_what_is_missing_is_started(
    member: bool, intent: LeaseIntent, payload: bytes | None, now: float, expected: list[str]
) -> None:
    """By what is wanted, what is to be said, and whether there is a membership."""
    keeper = Keeper().entered() if member else Keeper()
    keeper.plan(intent, payload, now)
    assert expected == keeper.kinds()


def test_only_one_call_is_under_way() -> None:
    """The store sees what a node says in the order in which it says it."""
    keeper = Keeper().entered()
    keeper.plan(LeaseIntent.KEEP, NEW, 1.0)
    assert ["Update"] == keeper.kinds()
    keeper.plan(LeaseIntent.KEEP, b"newer", 2.0)
    assert [] == keeper.kinds()


def test_a_keep_alive_without_an_answer_is_given_up() -> None:
    """R25: after heartbeat_timeout another one is sent, so that a lost message stops no work."""
    keeper = Keeper().entered()
    keeper.plan(LeaseIntent.KEEP, SAID, 5.0)
    keeper.plan(LeaseIntent.KEEP, SAID, 9.9)
    first, *others = keeper.started()
    assert [] == others
    keeper.plan(LeaseIntent.KEEP, SAID, 10.0)
    assert ["Refresh"] == keeper.kinds()
    assert not keeper.channels.retire(first), "R3: its answer is discarded"


@pytest.mark.parametrize("payload", [SAID, NEW])
def test_a_keep_alive_that_was_given_up_renews_the_lease_when_it_is_answered_late(payload: bytes) -> None:
    """R2: from when it was sent; so a store that is slower than heartbeat_timeout still keeps its members."""
    keeper = Keeper().entered()
    keeper.plan(LeaseIntent.KEEP, payload, 5.0)
    (late,) = keeper.started()
    keeper.plan(LeaseIntent.KEEP, payload, 10.0)
    keeper.take_in_late(late, True)
    assert keeper.lease is not None
    assert keeper.lease.sent == 5.0
    assert not keeper.says(NEW), "R16: the answer that is awaited says what the others read"
    keeper.answer(True)
    assert (10.0, True) == (keeper.lease.sent, keeper.says(payload))


def test_a_late_answer_renews_no_other_membership() -> None:
    """R3: nor does a refusal, or the answer to anything else."""
    keeper = Keeper().entered()
    keeper.plan(LeaseIntent.KEEP, SAID, 5.0)
    (late,) = keeper.started()
    keeper.take_in_late(late, False)
    assert keeper.lease is not None
    assert keeper.lease.sent == 0.0
    keeper.forget()
    keeper.take_in_late(late, True)
    keeper.entered(1.0)
    keeper.take_in_late(late, True)
    assert keeper.lease.sent == 1.0


def test_an_entry_without_an_answer_is_waited_for() -> None:
    """Given up, it might leave a member behind that nobody knows of."""
    keeper = Keeper()
    keeper.plan(LeaseIntent.ENTER, SAID, 0.0)
    keeper.plan(LeaseIntent.ENTER, SAID, 100.0)
    assert ["Enter"] == keeper.kinds()


def test_after_an_update_that_was_given_up_nothing_is_known_to_be_said() -> None:
    """R16: it is said again before anybody works by it."""
    keeper = Keeper().entered()
    assert keeper.says(SAID)
    keeper.plan(LeaseIntent.KEEP, NEW, 1.0)
    keeper.started()
    keeper.plan(LeaseIntent.KEEP, NEW, 6.0)
    assert not keeper.says(SAID)
    assert not keeper.says(NEW)
    keeper.answer(True)
    assert keeper.says(NEW)


def test_a_lease_runs_from_when_the_refresh_was_sent() -> None:
    """R2: the answer's time does not count, and an older answer changes nothing."""
    keeper = Keeper().entered()
    assert keeper.lease is not None
    keeper.plan(LeaseIntent.KEEP, SAID, 5.0)
    keeper.answer(True)
    assert (5.0, 18.5) == (keeper.lease.sent, keeper.lease.fenced_at)
    keeper.lease.renewed(2.0)
    assert keeper.lease.sent == 5.0


def test_after_trouble_a_refresh_is_sent_at_once() -> None:
    """The store may have ended the membership meanwhile."""
    keeper = Keeper().entered()
    keeper.doubt()
    keeper.plan(LeaseIntent.KEEP, SAID, 1.0)
    assert ["Refresh"] == keeper.kinds()
    keeper.channels.give_up(Channel.LEASE)
    keeper.plan(LeaseIntent.KEEP, SAID, 1.1)
    assert [] == keeper.kinds()


def test_false_says_that_the_membership_has_ended() -> None:
    """R3: of an update and of a refresh alike."""
    for payload in (SAID, NEW):
        keeper = Keeper().entered()
        keeper.plan(LeaseIntent.KEEP, payload, 5.0)
        assert not keeper.answer(False)


@pytest.mark.parametrize(("may_be_there", "expected"), [(True, ["Leave", "Enter"]), (False, ["Enter"])])
def test_a_former_membership_is_left_before_the_next_is_entered(may_be_there: bool, expected: list[str]) -> None:
    """R26: as far as the store may still have it, and not before the node enters again."""
    keeper = Keeper().entered()
    keeper.forget(may_be_there=may_be_there)
    keeper.plan(LeaseIntent.KEEP, SAID, 1.0)
    assert [] == keeper.started()
    done = []
    for result in (None, MemberLease(15.0, "i", "a#2")) if may_be_there else (MemberLease(15.0, "i", "a#2"),):
        keeper.plan(LeaseIntent.ENTER, SAID, 2.0)
        done += [type(one).__name__ for one in keeper.channels.operations]
        keeper.answer(result)
    assert (expected, "a#2") == (done, keeper.id)


def test_a_member_id_is_new_for_every_entry() -> None:
    """R5: 128 random bits, so that a restarted process is not taken for the one that works on."""
    ids = {MemberLease(15.0, "i").id for _ in range(100)}
    assert len(ids) == 100
    assert {32} == {len(one) for one in ids}
    assert all(int(one, 16) >= 0 for one in ids)
