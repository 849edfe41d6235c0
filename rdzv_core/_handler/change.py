"""Level-triggered: the roster held against the present, so that what changed before anybody asked is seen too."""

from __future__ import annotations

from itertools import islice

from rdzv_core._handler.head import DepartureOutcome, Head
from rdzv_core._handler.info import Change, ChangeReason
from rdzv_core._handler.operations import Assignment
from rdzv_core._handler.view import LocalView

_MOST_NAMES = 5
_WENT: dict[DepartureOutcome, str] = {"left": "left", "lost": "was lost"}


def change_of(held: Assignment | None, known: LocalView) -> Change | None:
    """Say why the holder of a roster should stop and meet again; None if it need not. Pure."""
    if held is None:
        return None
    head = known.head
    if known.unreadable:
        return Change(ChangeReason.STORE_LOST, known.unreadable)
    if head is None or head.epoch != held.epoch or head.round < held.round:
        return Change(
            ChangeReason.STORE_LOST, f"the run's register no longer knows round {held.round} of epoch {held.epoch}"
        )
    if head.round > held.round or head.gone_ranks() >> held.rank & 1:
        return Change(ChangeReason.FENCED, f"round {held.round} was followed by one without this node")
    if head.closed:
        return Change(ChangeReason.CLOSED, "the run was closed")
    if head.pending:
        reason, gone = ChangeReason[head.pending], _gone(held, head)
        if reason is ChangeReason.LOST:
            return Change(reason, gone or reason.value)
        return Change(reason, f"{reason.value} ({gone})" if gone else reason.value)
    return None


def _gone(held: Assignment, head: Head) -> str:
    """Name those who went before they were done, and how; those of a roster that this node has not read are counted."""
    seats = held.roster or head.roster
    told: list[str] = []
    for how, verb in _WENT.items():
        ranks = int(head.departed.get(how, "0"), 16)
        if seats:
            gone = (f"{seat.node} ({seat.address}) {verb}" for rank, seat in enumerate(seats) if ranks >> rank & 1)
            told += islice(gone, _MOST_NAMES)
        elif ranks:
            told.append(f"{ranks.bit_count()} of {held.size} nodes {how}")
    return ", ".join(told)
