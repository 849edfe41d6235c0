"""How the present differs from the roster held. Level-triggered: a change from before anybody asked is seen too."""

from __future__ import annotations

from itertools import islice

from rdzv_core._handler.head import DepartureOutcome, Head
from rdzv_core._handler.info import Change, ChangeReason
from rdzv_core._handler.operations import Assignment
from rdzv_core._handler.view import LocalView

_MOST_NAMES = 5
_WENT: dict[DepartureOutcome, tuple[str, str]] = {"left": ("left", "left"), "lost": ("was lost", "were lost")}
"""What one node did, and what several did."""


def change_of(held: Assignment | None, known: LocalView) -> Change | None:
    """Return why the holder of a roster should stop and join again; None if it need not. Pure."""
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
    """Name the nodes that went before they were done, and how; of a roster that was not read, say how many."""
    seats = held.roster or head.roster
    told: list[str] = []
    for how, (went, several) in _WENT.items():
        ranks = int(head.departed.get(how, "0"), 16)
        if seats:
            gone = (f"{seat.node} ({seat.address}) {went}" for rank, seat in enumerate(seats) if ranks >> rank & 1)
            told += islice(gone, _MOST_NAMES)
        elif ranks:
            count = ranks.bit_count()
            told.append(f"{count} of {held.size} nodes {went if count == 1 else several}")
    return ", ".join(told)
