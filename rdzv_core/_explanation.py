"""Which nodes a run waits for, why, and what unblocks it: in sentences, for `rdzv explain`. Pure."""

from __future__ import annotations

import re
import time

from rdzv_core._handler.head import Head, Terms
from rdzv_core._handler.situation import Situation

_MOST = 20
_LOCAL = re.compile(r"(localhost|127\.[0-9.]+|0\.0\.0\.0|::1|\[::1?\]|)(:[0-9]+)?", re.IGNORECASE)


def explain(
    head: Head,
    situation: Situation,
    phase: str,
    missing: int,
    standing_by: int,
    endpoint: str,
    first: tuple[int, str] | None = None,
) -> list[str]:
    """Return the reasons, the first thing to do first; `first` is when the first node that joins came, and which."""
    if head.closed:
        return [_closed(head, phase)]
    terms = head.terms
    if terms is None:
        return ["the run was reset: the first node to join sets its terms"]
    reasons = [] if phase == "idle" else _pending(head)
    if missing:
        reasons += _missing(head, terms, missing, endpoint, first)
    if phase == "last call" or (head.pending and head.last_call_round == head.round + 1):
        reasons.append(_last_call(head, terms, situation))
    reasons += _blockers(terms, situation, phase)
    reasons += _departed(head, terms, situation, phase)
    if standing_by:
        stand = "1 node stands by" if standing_by == 1 else f"{standing_by} nodes stand by"
        reasons.append(f"{stand}: the round is full with {_nodes(terms.max_nodes)}")
    if reasons:
        return reasons
    nothing = {"idle": "no node is there", "working": "the round is at work: no node is awaited"}
    return [nothing.get(phase, f"enough nodes are there: the leader writes round {head.round + 1} now")]


def is_local(endpoint: str) -> bool:
    """Return whether an endpoint names each host itself: `localhost:29400`, `0.0.0.0`, `:29400`."""
    return bool(endpoint) and _LOCAL.fullmatch(endpoint.strip()) is not None


def _closed(head: Head, phase: str) -> str:
    again = "use another run id, or start a new epoch with `rdzv reset`"
    if phase == "finished":
        return f"the run has finished: all {_nodes(head.size)} of round {head.round} are done; to run it again, {again}"
    return f"the run was closed after round {head.round}: {again}"


def _pending(head: Head) -> list[str]:
    if not head.pending:
        return []
    return [f"round {head.round} is over ({head.pending}): its members stop the work and join round {head.round + 1}"]


def _missing(head: Head, terms: Terms, missing: int, endpoint: str, came: tuple[int, str] | None) -> list[str]:
    least = terms.min_nodes
    needs = f"{missing} of {_nodes(least)} {'is' if missing == 1 else 'are'} missing"
    first = (
        f"{needs}: round {head.round + 1} needs at least {least}; start the missing ones with the same --backend, "
        "--endpoint, --run-id and --nodes; each node that joins waits for its own join_timeout (600 s unless set)"
    )
    reasons = [first]
    if came is not None:
        when = time.strftime("%H:%M:%S on %Y-%m-%d", time.localtime(came[0]))
        reasons.append(f"the first to wait is {came[1]}, which came at {when} by its own clock")
    if is_local(endpoint) and terms.max_nodes > 1:
        reasons.append(
            f"the endpoint {endpoint!r} names each host itself: if the nodes are on several hosts, each host may run "
            "a store of its own; give all of them the address of one host"
        )
    return reasons


def _last_call(head: Head, terms: Terms, situation: Situation) -> str:
    return (
        f"the last call for round {head.round + 1} is on: it ends at most {terms.last_call_timeout:g} s "
        f"(last_call_timeout) after it began, or at once with {_nodes(terms.max_nodes)} "
        f"({len(situation.candidates)} {'is' if len(situation.candidates) == 1 else 'are'} joining)"
    )


def _blockers(terms: Terms, situation: Situation, phase: str) -> list[str]:
    working, silent = situation.blockers[: situation.working], situation.blockers[situation.working :]
    if phase == "working":
        working = ()
    reasons = [f"awaited: {blocker}; it has to stop its work and join, or leave" for blocker in working]
    reasons += [
        f"awaited: {blocker}, as the store lost the memberships: it joins, or is lost {terms.ttl:g} s (ttl) later"
        for blocker in silent
    ]
    return _first(reasons, "awaited")


def _departed(head: Head, terms: Terms, situation: Situation, phase: str) -> list[str]:
    went = {"left": "left", "done": "is done", "lost": "was lost: its lease has ended"}
    reasons = []
    for seat in head.roster:
        how = situation.departed.get(seat.member)
        if how is not None:
            until = f"; no round without it forms for {terms.fence_delay:g} s (fence_delay) after that"
            later = until if how == "lost" and phase in ("changing", "forming", "last call") else ""
            reasons.append(f"{seat.node} ({seat.address}) {went[how]}{later}")
    return _first(reasons, "gone")


def _first(reasons: list[str], what: str) -> list[str]:
    """Return the first few of many."""
    more = len(reasons) - _MOST
    return reasons if more <= 1 else [*reasons[:_MOST], f"{what}: {more} more nodes"]


def _nodes(count: int) -> str:
    return f"{count} node{'' if count == 1 else 's'}"
