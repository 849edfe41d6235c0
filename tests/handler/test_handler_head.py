"""The head: what its fields amount to, what is read back, and what is refused."""

from __future__ import annotations

import pytest

from rdzv_core import RendezvousStateError
from rdzv_core._handler.head import (
    Announcement,
    Head,
    RoundId,
    Seat,
    Terms,
    decode_announcement,
    decode_head,
    encode_announcement,
    encode_head,
    reset_head,
)

TERMS = Terms(1, 4, 30.0, 15.0, 5.0)
SEATS = tuple(Seat(name, f"node-{name}", f"host-{name}") for name in "abc")
HEAD = Head("e", TERMS, revision=4, round=2, fence=3, roster=SEATS, size=3, incarnation="i", run="job")


def test_what_is_written_is_read() -> None:
    """A head, and an announcement, come back as they were."""
    assert HEAD == decode_head(encode_head(HEAD))
    says = Announcement("n", "host", at=RoundId("e", 2), came=7, workers=8)
    assert says == decode_announcement(encode_announcement(says))


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'{"epoch":1}',
        b'{"epoch":"e","more":1}',
        b'{"epoch":"e","departed":{"lost":"x"}}',
        b'{"epoch":"e","workers":"0*2"}',
        b'{"epoch":"e","size":2,"workers":"4,2*2"}',
    ],
)
def test_what_is_no_head_is_an_error(state: bytes) -> None:
    """Never guessed at; the message says what was found."""
    with pytest.raises(RendezvousStateError, match="the run's register"):
        decode_head(state)


def test_another_version_is_an_error_that_names_both() -> None:
    """All nodes of a run need the same one."""
    with pytest.raises(RendezvousStateError, match=r"version 2.*reads 1"):
        decode_head(encode_head(Head("e", version=2)))


def test_an_announcement_that_cannot_be_read_is_none() -> None:
    """Such a member blocks."""
    assert decode_announcement(b"\xff") is None
    assert decode_announcement(b'{"node":"n"}') is None
    assert decode_announcement(b'{"node":"n","address":"a","workers":0}') is None


def test_departures_are_masks_of_ranks() -> None:
    """Bit r stands for rank r; one without a seat is left out."""
    masks = HEAD.masks({"a": "left", "c": "left", "b": "done", "x": "lost"})
    assert {"left": "5", "done": "2"} == masks
    gone = HEAD.changed(departed=masks)
    assert {"a": "left", "c": "left", "b": "done"} == gone.gone()
    assert (7, 5) == (gone.gone_ranks(), gone.gone_ranks(but="done"))


@pytest.mark.parametrize(
    ("departed", "closed", "finished"),
    [({"done": "7"}, True, True), ({"done": "7"}, False, False), ({"done": "3"}, True, False), ({}, True, False)],
)
def test_a_run_has_finished_when_it_is_closed_and_all_are_done(
    departed: dict[str, str], closed: bool, finished: bool
) -> None:
    """R23: otherwise it was closed by somebody."""
    assert finished == HEAD.changed(departed=departed, closed=closed).finished


def test_every_change_is_the_next_revision() -> None:
    """R15: within an epoch the revision orders the heads."""
    assert 5 == HEAD.changed(pending="LOST").revision


def test_a_roster_with_a_value_of_its_own_is_not_written_twice() -> None:
    """The head names it by its digest."""
    named = HEAD.changed(digest="d")
    assert () == named.as_stored().roster
    assert SEATS == HEAD.as_stored().roster
    assert SEATS == named.as_stored().with_roster(SEATS).roster


@pytest.mark.parametrize(
    ("state", "previous", "run"),
    [
        (None, "", ""),
        (encode_head(HEAD), "e", "job"),
        (encode_head(Head("e2", previous_epoch="e1")), "e1", ""),
        (b"garbage", "unreadable", ""),
    ],
    ids=["no head", "a round", "no round yet", "unreadable"],
)
def test_a_reset_names_the_epoch_in_which_somebody_may_still_work(state: bytes | None, previous: str, run: str) -> None:
    """R20: whatever the register held."""
    head = reset_head("new", state)
    assert ("new", previous, run, None, 0) == (head.epoch, head.previous_epoch, head.run, head.terms, head.round)
