"""Whether a history can be explained: is there an order of its calls, within their times, that a register allows?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rdzv_conformance.checks.linearizability._claims import Contradiction, first_contradiction
from rdzv_conformance.checks.linearizability._moves import moves_of
from rdzv_conformance.checks.linearizability._search import first_unexplained
from rdzv_conformance.checks.linearizability._shrink import shrink
from rdzv_conformance.checks.linearizability._telling import fault_of
from rdzv_conformance.checks.linearizability.faults import Fault
from rdzv_conformance.checks.linearizability.history import Operation


@dataclass(frozen=True)
class Verdict:
    """What `check` found: no fault, or one, with the few operations that show it, in the order of their calls.

    The operations are as few as leaving out one after the other makes them, not the fewest there could be.
    """

    fault: Fault | None = None
    shown_by: tuple[Operation, ...] = ()

    @property
    def linearizable(self) -> bool:
        """Whether the history can be explained."""
        return self.fault is None


def check(history: Sequence[Operation]) -> Verdict:
    """Return whether `history`, of a register that held nothing at its beginning, is linearizable as a fenced register.

    That is: there is an order of the operations in which each takes effect at once at some moment between its call and
    its answer; one without an answer at any time after its call, or never. A write takes effect if its token is the
    current one (None: if there is no state), and has a token that no write had before; a deletion likewise. What is
    refused, read, or waited for is told what is there at its moment.

    Exact: it accuses no history that can be explained, and misses none that cannot. The time grows with the number of
    operations times how many are under way at once, as long as few creations, deletions and unanswered writes overlap;
    `python -m rdzv_conformance.checks.linearizability` measures it. Pure, and thread-safe.
    """
    contradiction = first_contradiction(history)
    if contradiction is None:
        found = _searched(history)
        return Verdict() if found is None else _two_winners(history, found) or found
    complete = max(history[index].answer or 0 for index in contradiction.indexes)
    before = _until(history, complete)
    # What came first is the cause: the contradiction may only follow from it.
    earlier = _searched(before)
    if earlier is not None:
        return _two_winners(history, earlier) or earlier
    return _verdict(history, contradiction.indexes, _in_its_place(history, contradiction, before))


def _searched(history: Sequence[Operation]) -> Verdict | None:
    moves = moves_of(history)
    unexplained = first_unexplained(history, moves)
    if unexplained is None:
        return None
    kept = shrink(history, moves, unexplained)
    kept += _written_too_late(history, kept)
    fault = fault_of(history, kept)
    last = history[unexplained]
    if fault in (Fault.STALE_TOKEN_WON, Fault.TWO_WINNERS) and last.has_won and last.answer is not None:
        before = [each for each in _until(history, last.answer + 1) if each != last]
        if last.kind == "set" and _explained([*before, replace(last, token=None)]):
            fault = Fault.DEAD_TOKEN_WON
    return _verdict(history, kept, fault)


def _two_winners(history: Sequence[Operation], found: Verdict) -> Verdict | None:
    """Return the plainer reason where there is merely no order: another client won a token that one of them used."""
    if found.fault not in (Fault.NO_ORDER, Fault.LOST_UPDATE):
        return None
    winners = {each.token: each for each in found.shown_by if each.has_won and each.token is not None}
    for index, each in enumerate(history):
        rival = winners.get(each.token) if each.has_won else None
        if rival is not None and each != rival and not each.precedes(rival) and not rival.precedes(each):
            return _verdict(history, (history.index(rival), index), Fault.TWO_WINNERS)
    return None


def _until(history: Sequence[Operation], moment: int) -> list[Operation]:
    """Return what was known before `moment`: it can be explained if all can."""
    return [
        each if each.answer is not None and each.answer < moment else replace(each, answer=None, found=None, done=False)
        for each in history
        if each.call < moment
    ]


def _in_its_place(history: Sequence[Operation], found: Contradiction, before: Sequence[Operation]) -> Fault:
    """Tell what may be wrong in two ways, by whether there was a state."""
    suspect = history[found.indexes[-1]]
    rest = [each for each in before if not (each.call == suspect.call and each.client == suspect.client)]
    if found.fault is Fault.FOREIGN_TOKEN_WON and suspect.kind == "set":
        as_if = replace(suspect, token=None)
        return Fault.FOREIGN_TOKEN_CREATED if _explained([*rest, as_if]) else found.fault
    if found.fault is Fault.NOT_CREATED:
        # Where both may be, a state is likelier: it is there most of the time.
        seen = any(each.found is not None and not suspect.precedes(each) for each in history)
        return Fault.STATE_NOT_GIVEN if seen else found.fault
    return found.fault


def _explained(history: Sequence[Operation]) -> bool:
    return first_unexplained(history, moves_of(history)) is None


def _written_too_late(history: Sequence[Operation], kept: Sequence[int]) -> list[int]:
    """Return the writes of what `kept` saw before they were called: the search had not come to them yet."""
    seen = {found.token: history[index] for index in kept if (found := history[index].found) is not None}
    seen |= {history[index].token: history[index] for index in kept if history[index].has_won}
    there = {*kept}
    return [
        index
        for index, each in enumerate(history)
        if index not in there and each.wrote is not None and each.wrote in seen and seen[each.wrote].precedes(each)
    ]


def _verdict(history: Sequence[Operation], indexes: Sequence[int], fault: Fault) -> Verdict:
    return Verdict(fault, tuple(sorted((history[index] for index in indexes), key=lambda each: each.call)))
