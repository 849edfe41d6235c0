"""What a few answers contradict by themselves, in whatever order things happened."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

from rdzv_conformance.checks.linearizability.faults import Fault
from rdzv_conformance.checks.linearizability.history import Operation


class Contradiction(NamedTuple):
    """A fault and the operations that show it."""

    fault: Fault
    indexes: tuple[int, ...]


def first_contradiction(history: Sequence[Operation]) -> Contradiction | None:
    """Return the contradiction that was complete first, None if there is none."""
    return min(
        (*_alone(history), *_between(history), *_from_nowhere(history)),
        key=lambda found: max(history[index].answer or 0 for index in found.indexes),
        default=None,
    )


def _alone(history: Sequence[Operation]) -> Iterator[Contradiction]:
    for index, operation in enumerate(history):
        fault = _fault_of(operation) if operation.answer is not None else None
        if fault is not None:
            yield Contradiction(fault, (index,))


def _fault_of(operation: Operation) -> Fault | None:
    given = operation.token
    told = None if operation.found is None else operation.found.token
    if operation.kind == "wait":
        return Fault.WOKE_FOR_NOTHING if operation.done and told == given is not None else None
    if operation.kind != "set":
        return None
    if operation.found is None:
        return Fault.NOT_CREATED if given is None else None
    if not operation.done:
        return Fault.REFUSED_THOUGH_CURRENT if told == given else None
    if told == given:
        return Fault.TOKEN_KEPT
    return Fault.OTHER_STATE_WRITTEN if operation.found.state != operation.state else None


def _between(history: Sequence[Operation]) -> Iterator[Contradiction]:
    """Two that were told different things about one token."""
    writer: dict[Hashable, int] = {}
    seen: dict[Hashable, int] = {}
    for index, operation in enumerate(history):
        token = operation.wrote
        if token is None:
            continue
        if token in writer:
            yield Contradiction(_reuse(history, history[writer[token]], operation), (writer[token], index))
        else:
            writer[token] = index
    for index, operation in enumerate(history):
        found = operation.found
        if operation.answer is None or found is None:
            continue
        known = writer.get(found.token, seen.setdefault(found.token, index))
        there = history[known].found
        if there is not None and there.state != found.state and not operation.has_won:
            if operation.kind == "set":
                fault = Fault.OTHER_STATE_IN_REFUSAL
            else:
                fault = Fault.OTHER_STATE_READ if found.token in writer else Fault.TWO_VALUES
            yield Contradiction(fault, (known, index))


def _reuse(history: Sequence[Operation], one: Operation, other: Operation) -> Fault:
    first, last = sorted((one, other), key=lambda operation: operation.call)
    deletions = [each for each in history if each.kind == "delete" and (each.has_won or each.is_indeterminate)]
    surely = any(first.precedes(each) and each.precedes(last) for each in deletions)
    maybe = any(not each.precedes(first) and not last.precedes(each) for each in deletions)
    if first.found == last.found and (first.token == last.token or last.token is None) and not surely:
        return Fault.EQUAL_BYTES_WON
    return Fault.TOKEN_REUSED_AFTER_DELETION if maybe else Fault.TOKEN_REUSED


def _from_nowhere(history: Sequence[Operation]) -> Iterator[Contradiction]:
    """Tokens that nobody was told to have written: there must be as many unanswered writes that may have."""
    known = {operation.wrote for operation in history}
    maybe = Counter(operation.state for operation in history if operation.is_indeterminate and operation.kind == "set")
    unclaimed: defaultdict[bytes, list[tuple[Hashable, int]]] = defaultdict(list)
    for index, operation in enumerate(history):
        found = operation.found
        if operation.answer is not None and found is not None and found.token not in known:
            known.add(found.token)
            unclaimed[found.state].append((found.token, index))
    for state, tokens in unclaimed.items():
        for _, index in tokens[maybe[state] :]:
            yield Contradiction(Fault.UNKNOWN_TOKEN, (index,))
    for index, operation in enumerate(history):
        token = operation.token
        if operation.has_won and token is not None and token not in known and not maybe:
            yield Contradiction(Fault.FOREIGN_TOKEN_WON, (index,))
