"""Which fault it is that a few operations show."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence

from rdzv_conformance.checks.linearizability.faults import Fault
from rdzv_conformance.checks.linearizability.history import Operation

FEW = 3
_Places = dict[Hashable, list[tuple[int, Operation]]]


def fault_of(history: Sequence[Operation], kept: Iterable[int]) -> Fault:
    """Return the fault that the operations `kept` show, which cannot be explained whatever the others did.

    They may be thousands, where there was no time to find out which of them can be left out.
    """
    operations = [history[index] for index in kept]
    fault = _two_that_won(operations)
    if fault is not None:
        return fault
    told = [each for each in operations if each.answer is not None]
    tokens = _Tokens(operations)
    for each in told:
        fault = _out_of_time(history, each, tokens)
        if fault is not None:
            return fault
    return _without_a_state(told) or Fault.NO_ORDER


def _two_that_won(operations: Sequence[Operation]) -> Fault | None:
    """Name the fault of two that cannot both have won: with one token, or with none though a state is there."""
    won = sorted((each for each in operations if each.has_won), key=lambda each: each.call)
    deletes = any(each.kind == "delete" for each in operations)
    pair: tuple[Operation, Operation] | None = None
    later: dict[Hashable, int] = {}  # by its token, which of those further on comes next; by None, which creation
    for place in reversed(range(len(won))):
        one = won[place]
        rivals = [later.get(one.token)] if one.token is not None else []
        rivals += [later.get(None)] if one.kind == "set" and not deletes else []
        there = [each for each in rivals if each is not None]
        if there:
            pair = one, won[min(there)]
        if one.token is not None or one.kind == "set":
            later[one.token] = place
    if pair is None:
        return None
    one, other = pair
    if other.token is None:
        return Fault.OVERWRITTEN_WITHOUT_TOKEN if one.precedes(other) else Fault.CREATED_TWICE
    if not one.precedes(other):
        return Fault.TWO_WINNERS
    return Fault.DEAD_TOKEN_WON if one.kind == "delete" else Fault.STALE_TOKEN_WON


class _Tokens:
    """Which operations tell of a token, each with its place among all of them."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._writes: _Places = defaultdict(list)
        self._ends: _Places = defaultdict(list)
        self._told: _Places = defaultdict(list)
        self._next: dict[Hashable, set[Hashable]] = defaultdict(set)
        for place, each in enumerate(operations):
            if each.wrote is not None:
                self._writes[each.wrote].append((place, each))
                self._next[each.token].add(each.wrote)
            if each.has_won:
                self._ends[each.token].append((place, each))
            for token in {each.token, None if each.found is None else each.found.token} - {None}:
                self._told[token].append((place, each))
        self._earliest = {
            token: min((each.answer for _, each in there if each.answer is not None), default=math.inf)
            for token, there in self._told.items()
        }

    def written_after(self, late: Operation, token: Hashable) -> Iterator[tuple[int, Operation]]:
        """Return who wrote the token when `late` had told of it."""
        return ((place, each) for place, each in self._writes[token] if late.precedes(each))

    def replaced_before(self, late: Operation, token: Hashable) -> Iterator[tuple[int, Operation]]:
        """Return who had won with the token before `late` told of it."""
        return ((place, each) for place, each in self._ends[token] if each.precedes(late))

    def followed_before(self, late: Operation, token: Hashable) -> Iterator[tuple[int, Operation]]:
        """Return who had seen, or used, what came after the token before `late` told of it."""
        after = [each for each in self._next[token] if self._earliest.get(each, math.inf) < late.call]
        return ((place, each) for next_one in after for place, each in self._told[next_one] if each.precedes(late))


def _out_of_time(history: Sequence[Operation], late: Operation, tokens: _Tokens) -> Fault | None:
    """Name what is wrong with an answer that tells of a token which was not there yet, or not any more."""
    token = late.token if late.has_won else None if late.found is None else late.found.token
    if token is None:
        return None
    nobody = (math.inf, late)
    written, _ = min(tokens.written_after(late, token), default=nobody, key=_place)
    replaced, by = min(tokens.replaced_before(late, token), default=nobody, key=_place)
    followed, _ = min(tokens.followed_before(late, token), default=nobody, key=_place)
    first = min(written, replaced, followed)
    if first == math.inf:
        return None
    if first == written:
        # As far as can be told: where states are deleted, it is likelier a token that came back.
        deleted = any(other.kind == "delete" and other.has_won for other in history)
        return Fault.TOKEN_REUSED_AFTER_DELETION if deleted else Fault.FROM_THE_FUTURE
    if late.has_won:
        return Fault.STALE_TOKEN_WON
    return Fault.LOST_UPDATE if first == replaced and _left_no_trace(history, by) else Fault.STALE_READ


def _place(found: tuple[float, Operation]) -> float:
    return found[0]


def _left_no_trace(history: Sequence[Operation], write: Operation) -> bool:
    token = write.wrote
    return token is not None and not any(
        each is not write and (token == each.token or (each.found is not None and each.found.token == token))
        for each in history
    )


def _without_a_state(told: list[Operation]) -> Fault | None:
    """Name what is wrong where one was told, against all the others, that there is no state."""
    nothing = [each for each in told if each.kind != "delete" and each.found is None]
    if len(nothing) != 1 or len(told) > FEW:
        return None  # with many others there may be another culprit
    if nothing[0].kind == "set":
        return Fault.STATE_NOT_GIVEN_TO_TOKEN
    there = [each for each in told if each.found is not None]
    return Fault.VANISHED if any(each.precedes(nothing[0]) for each in there) else None
