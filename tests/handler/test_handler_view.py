"""What a node takes from the answers that it gets, in whatever order they come."""

from __future__ import annotations

import pytest

from rdzv_core import RendezvousStateError
from rdzv_core._handler.head import Head, encode_head
from rdzv_core._handler.rules import Situation
from rdzv_core._handler.view import LocalView
from rdzv_core.abc import StateSnapshot


def _snapshot(epoch: str, revision: int) -> StateSnapshot:
    return StateSnapshot(encode_head(Head(epoch, revision=revision)), f"{epoch}/{revision}")


@pytest.fixture
def view() -> LocalView:
    """A view that learned of revision 3 of epoch `now` at 10 s."""
    view = LocalView()
    view.learn_head(_snapshot("now", 3), 9.0, 10.0)
    return view


def _holds(view: LocalView) -> tuple[str, int]:
    assert view.head is not None
    return view.head.epoch, view.head.revision


@pytest.mark.parametrize("late", [_snapshot("before", 9), None], ids=["another epoch", "no head"])
def test_a_late_answer_from_before_a_reset_is_only_a_reason_to_look_again(
    view: LocalView, late: StateSnapshot | None
) -> None:
    """R15: it was asked for before the last answer came, so nothing says which of the two is the present."""
    view.learn_head(late, 8.0, 11.0)
    assert _holds(view) == ("now", 3)
    assert not view.looked


@pytest.mark.parametrize("later", [_snapshot("after", 0), None], ids=["another epoch", "no head"])
def test_an_answer_asked_for_later_tells_that_the_store_lost_the_run(
    view: LocalView, later: StateSnapshot | None
) -> None:
    """R15: what was asked for after the last answer came is later than it, whatever it holds."""
    view.learn_head(later, 10.0, 11.0)
    assert view.looked
    assert (view.head.epoch if view.head else None) == (None if later is None else "after")


def test_an_older_revision_that_comes_late_changes_nothing(view: LocalView) -> None:
    """R15: messages overtake each other."""
    view.learn_head(_snapshot("now", 2), 8.0, 11.0)
    assert _holds(view) == ("now", 3)
    assert view.looked


def test_an_older_revision_that_was_asked_for_later_is_a_store_that_went_back(view: LocalView) -> None:
    """R15: a store that was restored from a copy holds what it held before."""
    view.learn_head(_snapshot("now", 2), 10.5, 11.0)
    assert _holds(view) == ("now", 2)


def test_an_unreadable_register_is_reported_however_late(view: LocalView) -> None:
    """Corruption is an error at once: nothing is decided on what was read before it."""
    with pytest.raises(RendezvousStateError, match="run's register"):
        view.learn_head(StateSnapshot(b"{", "odd"), 8.0, 11.0)
    assert view.unreadable


def test_a_member_that_worked_again_is_gone_from_the_moment_it_is_dropped_again(view: LocalView) -> None:
    """R4: the fence delay counts from this round's loss, not from one of a round before, which this node saw too."""
    lost = Situation(departed={"m": "lost"})
    view.note_gone(lost, 11.0)
    view.note_gone(lost, 12.0)
    assert view.gone_since == {"m": 11.0}
    view.learn_head(StateSnapshot(encode_head(Head("now", revision=4, round=1)), "now/4"), 12.0, 13.0)
    view.note_gone(lost, 14.0)
    assert view.gone_since == {"m": 14.0}


def test_a_member_that_left_and_is_then_counted_as_lost_gets_the_whole_fence_delay(view: LocalView) -> None:
    """R6: the fence delay runs from when the member is counted as lost, whatever it was counted as before."""
    view.note_gone(Situation(departed={"m": "left"}), 11.0)
    view.note_gone(Situation(departed={"m": "lost"}), 12.0)
    assert view.gone_since == {"m": 12.0}
