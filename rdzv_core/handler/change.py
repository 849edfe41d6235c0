"""Level-triggered: the roster held against the present, so that what changed before anybody asked is seen too."""

from __future__ import annotations

from itertools import islice

from rdzv_core.handler.head import Head
from rdzv_core.handler.info import Change, ChangeReason
from rdzv_core.handler.io import Held
from rdzv_core.handler.knowledge import Knowledge

_MOST_NAMES = 5


def change_of(held: Held | None, known: Knowledge) -> Change | None:
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
        reason = ChangeReason[head.pending]
        return Change(reason, f"{reason.value}{_gone(held, head)}")
    return None


def _gone(held: Held, head: Head) -> str:
    """Name those who went before they were done; those of a roster that this node has not read are counted."""
    gone, seats = head.gone_ranks(but="done"), held.roster or head.roster
    if not gone:
        return ""
    if not seats:
        return f" ({gone.bit_count()} of {held.size})"
    first = islice(
        (f"{seat.node} at {seat.address}" for rank, seat in enumerate(seats) if gone >> rank & 1), _MOST_NAMES
    )
    return f" ({', '.join(first)})"
