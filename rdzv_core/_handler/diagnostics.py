"""What a node says while it waits, and when it cannot join: who was there, who was missing, what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rdzv_core._handler.head import Head, Seat, Terms
from rdzv_core._handler.lease import Lease
from rdzv_core._handler.settings import HandlerSettings
from rdzv_core._handler.situation import Situation
from rdzv_core._handler.states import Joining, State, Working
from rdzv_core._handler.view import WATCHERS, LocalView

_MOST_NAMES = 8


@dataclass(frozen=True)
class RunAt:
    """Which run this is, where its store is, and what the backend has to say of that (see `endpoint_hint`)."""

    id: str = ""
    endpoint: str = ""
    hint: Callable[[], str] = str


def bearing_text(state: State, lease: Lease | None, now: float) -> str:
    """Return what a node does while the store is away; empty where it wants nothing of it."""
    if isinstance(state, Working) and lease is not None:
        return f"the work goes on, the membership covers it for {max(0.0, lease.fenced_at - now):.1f} s more"
    if isinstance(state, Joining):
        return f"this node goes on trying for {max(0.0, state.deadline - now):.0f} s"
    return ""


def closed_text(head: Head) -> str:
    """Return that the run is closed, and how to start another."""
    return (
        f"the run is closed (epoch {head.epoch}, after round {head.round}): no further round forms; "
        "use another run id, or start a new epoch with `rdzv reset`"
    )


def finished_text(head: Head) -> str:
    """Return that there is nothing left to do for a node that waited."""
    who = (
        f"all {head.size} nodes of round {head.round} are"
        if head.size > 1
        else f"the only node of round {head.round} is"
    )
    return f"the run has finished: {who} done; this node stood by and has nothing left to do"


def standby_text(head: Head) -> str:
    """Return that a node waits without a deadline."""
    assert head.terms is not None
    full = f"round {head.round} is full ({_nodes(head.terms.max_nodes)})"
    return f"{full}: standing by until a place is free or the run has finished"


def standby_timeout_text(settings: HandlerSettings, own: Seat, head: Head) -> str:
    """Return that no place became free in time."""
    return (
        f"{own.node} ({own.address}) stood by for {settings.standby_timeout:g} s (standby_timeout): round {head.round} "
        f"is full ({_nodes(settings.max_nodes)}), and none of them went"
    )


def terms_text(theirs: Terms, ours: Terms) -> str:
    """Return in which settings this node differs from the run."""
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
    """Return the names of nodes, the first few of many."""
    shown = [f"{seat.node} ({seat.address})" for seat in seats[:_MOST_NAMES]]
    more = len(seats) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "") if shown else "nobody"


def timeout_text(
    settings: HandlerSettings,
    own: Seat,
    known: LocalView,
    situation: Situation | None,
    error: Exception | None,
    run: RunAt = RunAt(),
) -> str:
    """Return who was there and who was missing when a round did not form in time."""
    within = f"within {settings.join_timeout:g} s (join_timeout)"
    lacks = _missing(settings, situation) if known.looked and known.head is not None and situation is not None else 0
    if lacks > 0 and situation is not None and own.member not in situation.superseded:
        awaited = f"; awaited: {_first(situation.blockers)}" if situation.blockers else ""
        return _joined(
            f"run {run.id!r}: only {_came(settings, situation)} came {within}: {names(situation.candidates)}{awaited}",
            "Start the others with the same --backend, --endpoint, --run-id and --nodes; see who is there with "
            "rdzv status",
            run.hint(),
        )
    return f"run {run.id!r}: no round formed {within} for {own.node} ({own.address}): " + _why_not(
        settings, own, known, situation, error
    )


def _why_not(
    settings: HandlerSettings, own: Seat, known: LocalView, situation: Situation | None, error: Exception | None
) -> str:
    head = known.head
    if not known.looked:
        return f"the store could not be read: {error}" if error else "the store has not answered"
    if head is None:
        return "the run has no state, and this node could not write its first"
    if situation is None:
        there = f"round {head.round} formed with {head.size} of at most {settings.max_nodes} nodes, without this one"
        return there if head.round else "the store has not told who else is there"
    if own.member in situation.superseded:
        return f"another node has joined since with the node_id {own.node!r}: give each node its own"
    text = f"there: {names(situation.candidates)}"
    if len(situation.candidates) >= settings.max_nodes and own.node not in {s.node for s in situation.candidates}:
        text = f"the round is full ({_nodes(settings.max_nodes)}); {text}"
    return text + (f"; awaited: {_first(situation.blockers)}" if situation.blockers else "")


def waiting_text(settings: HandlerSettings, known: LocalView, situation: Situation | None, seconds: float) -> str:
    """Return who is there and how many are missing, as far as this node knows; it keeps waiting for `seconds`."""
    return f"{_waits_for(settings, known, situation)}; this node waits {seconds:.0f} s more"


def _waits_for(settings: HandlerSettings, known: LocalView, situation: Situation | None) -> str:
    head = known.head
    if not known.looked:
        return "waiting for a round: the store has not been read yet"
    if head is None:
        return "waiting for a round: the run has no state yet"
    round_ = f"waiting for round {head.round + 1}"
    if situation is None or not known.watching:
        last = f"; round {head.round} had {_nodes(head.size)}" if head.round else ""
        return f"{round_} of at least {_nodes(settings.min_nodes)}: its first {WATCHERS} know who is there{last}"
    there = f"{_came(settings, situation)} ({names(situation.candidates)})"
    if situation.blockers:
        return f"{round_}: {there}; awaited: {_first(situation.blockers)}"
    if _missing(settings, situation) > 0:
        return f"{round_}: {there}"
    return f"{round_}: {there}; it forms when the last call is over"


def _came(settings: HandlerSettings, situation: Situation) -> str:
    least = "" if settings.min_nodes == settings.max_nodes else "at least "
    return f"{len(situation.candidates)} of {least}{_nodes(settings.min_nodes)}"


def _missing(settings: HandlerSettings, situation: Situation) -> int:
    return settings.min_nodes - len(situation.candidates)


def _nodes(number: int) -> str:
    return f"{number} node{'' if number == 1 else 's'}"


def _first(texts: tuple[str, ...]) -> str:
    return ", ".join(texts[:_MOST_NAMES])


def _joined(*sentences: str) -> str:
    """Return the sentences that are not empty, without a full stop at the end."""
    return ". ".join(sentence.rstrip(".") for sentence in sentences if sentence)
