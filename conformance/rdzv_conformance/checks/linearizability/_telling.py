"""Which fault it is that a few operations show."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import combinations

from rdzv_conformance.checks.linearizability.faults import Fault
from rdzv_conformance.checks.linearizability.history import Operation

FEW = 3


def fault_of(history: Sequence[Operation], kept: Iterable[int]) -> Fault:
    """Return the fault that the operations `kept` show, which cannot be explained whatever the others did."""
    operations = [history[index] for index in kept]
    won = [each for each in operations if each.has_won]
    for one, other in combinations(sorted(won, key=lambda each: each.call), 2):
        fault = _two_that_won(one, other, operations)
        if fault is not None:
            return fault
    told = [each for each in operations if each.answer is not None]
    for each in told:
        fault = _out_of_time(history, each, operations)
        if fault is not None:
            return fault
    return _without_a_state(told) or Fault.NO_ORDER


def _two_that_won(one: Operation, other: Operation, operations: list[Operation]) -> Fault | None:
    if one.token is not None and one.token == other.token:
        if not one.precedes(other):
            return Fault.TWO_WINNERS
        return Fault.DEAD_TOKEN_WON if one.kind == "delete" else Fault.STALE_TOKEN_WON
    deletes = any(each.kind == "delete" for each in operations)
    if one.kind == other.kind == "set" and other.token is None and not deletes:
        return Fault.OVERWRITTEN_WITHOUT_TOKEN if one.precedes(other) else Fault.CREATED_TWICE
    return None


def _out_of_time(history: Sequence[Operation], late: Operation, operations: list[Operation]) -> Fault | None:
    """Name what is wrong with an answer that tells of a token which was not there yet, or not any more."""
    token = late.token if late.has_won else None if late.found is None else late.found.token
    if token is None:
        return None
    for each in operations:
        if each.wrote == token and late.precedes(each):
            # As far as can be told: where states are deleted, it is likelier a token that came back.
            deleted = any(other.kind == "delete" and other.has_won for other in history)
            return Fault.TOKEN_REUSED_AFTER_DELETION if deleted else Fault.FROM_THE_FUTURE
        if each is late:
            continue
        if each.has_won and each.token == token and each.precedes(late):
            if late.has_won:
                return Fault.STALE_TOKEN_WON
            return Fault.LOST_UPDATE if _left_no_trace(history, each) else Fault.STALE_READ
        # Somebody had seen, or used, what came after it.
        if each.precedes(late) and _follows(operations, token, each):
            return Fault.STALE_READ if not late.has_won else Fault.STALE_TOKEN_WON
    return None


def _follows(operations: list[Operation], token: Hashable, each: Operation) -> bool:
    """Return whether `each` tells of the token that the write with `token` has."""
    told = {each.token, None if each.found is None else each.found.token} - {None}
    return any(write.token == token and write.wrote in told for write in operations if write.wrote is not None)


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
