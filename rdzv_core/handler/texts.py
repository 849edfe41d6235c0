"""What a node says when it can not join: who was there, who was missing, what to do."""

from __future__ import annotations

from rdzv_core.handler.head import Head, Seat, Terms
from rdzv_core.handler.knowledge import Knowledge
from rdzv_core.handler.rules import Situation
from rdzv_core.handler.settings import HandlerSettings

_MOST_NAMES = 8


def closed_text(head: Head) -> str:
    """Say that the run is closed and how to begin anew."""
    return (
        f"the run is closed (epoch {head.epoch}, after round {head.round}): nobody meets in it again; "
        "use another run id, or start a new epoch with `rdzv reset`"
    )


def finished_text(head: Head) -> str:
    """Say that there is nothing left to do for a node that waited."""
    return (
        f"the run has finished: all {head.size} nodes of round {head.round} are done, and this one stood by: there is "
        "nothing left to do"
    )


def standby_text(head: Head) -> str:
    """Say that a node waits without a deadline."""
    assert head.terms is not None
    nodes = f"{head.terms.max_nodes} node{'' if head.terms.max_nodes == 1 else 's'}"
    return f"round {head.round} is full ({nodes}): standing by until a place is free or the run has finished"


def standby_timeout_text(settings: HandlerSettings, own: Seat, head: Head) -> str:
    """Say that no place became free in time."""
    return (
        f"{own.node} ({own.address}) stood by for {settings.standby_timeout:g} s (standby_timeout): round {head.round} "
        f"is full with {settings.max_nodes} nodes, and none of them went"
    )


def terms_text(theirs: Terms, ours: Terms) -> str:
    """Say in which settings this node differs from the run."""
    differing = [
        f"{name}={getattr(ours, name)!r} (the run has {getattr(theirs, name)!r})"
        for name in Terms.__struct_fields__
        if getattr(ours, name) != getattr(theirs, name)
    ]
    return (
        f"this node's settings differ from those of the run: {', '.join(differing)}; give all nodes the same, "
        "or start a new epoch with `rdzv reset`"
    )


def names(seats: tuple[Seat, ...] | list[Seat]) -> str:
    """Name nodes, the first few of many."""
    shown = [f"{seat.node} ({seat.address})" for seat in seats[:_MOST_NAMES]]
    more = len(seats) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "") if shown else "nobody"


def timeout_text(
    settings: HandlerSettings, own: Seat, known: Knowledge, situation: Situation | None, error: Exception | None
) -> str:
    """Say who was there and who was missing when a round did not form in time."""
    head = known.head
    text = f"no round formed within {settings.join_timeout:g} s for {own.node} ({own.address}): "
    if not known.looked:
        return text + (f"the store could not be read: {error}" if error else "the store has not answered")
    if head is None:
        return text + "the run has no state, and this node could not write its first"
    if situation is None:
        there = f"round {head.round} formed with {head.size} of at most {settings.max_nodes} nodes, without this one"
        return text + (there if head.round else "the store has not told who else is there")
    if own.member in situation.older:
        return text + f"another node has come since with the node_id {own.node!r}: give each node one of its own"
    missing = settings.min_nodes - len(situation.candidates)
    there = f"there: {names(situation.candidates)}"
    if missing > 0:
        text += f"missing: {missing} of at least {settings.min_nodes} nodes; {there}"
    elif len(situation.candidates) >= settings.max_nodes and own.node not in {s.node for s in situation.candidates}:
        text += f"the round is full with {settings.max_nodes} nodes; {there}"
    else:
        text += there
    if situation.blockers:
        text += f"; awaited: {', '.join(situation.blockers[:_MOST_NAMES])}"
    return text
