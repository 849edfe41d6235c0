"""The few operations of a history that show why it cannot be explained."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from rdzv_conformance.checks.linearizability._moves import Moves
from rdzv_conformance.checks.linearizability._search import TooHardError, first_unexplained
from rdzv_conformance.checks.linearizability.history import Operation

SECONDS = 5.0
STEPS = 20_000
"""The search may take so many steps before a fragment counts as one that can be explained: it then stays larger."""


def shrink(history: Sequence[Operation], moves: Moves, unexplained: int) -> list[int]:
    """Return the indexes of operations that cannot be explained whatever the others did; `unexplained` is the last.

    None of them can be left out, unless finding out took too long (5 s).
    """
    ends = time.monotonic() + SECONDS
    due = history[unexplained].answer
    assert due is not None
    prefix = [i for i, each in enumerate(history) if each.call <= due and (i in moves.moves or i in moves.looks)]

    def shows(kept: list[int]) -> bool:
        try:
            return first_unexplained(history, moves, kept, unexplained, STEPS) is not None
        except TooHardError:
            return False

    for kept in _guesses(history, prefix, unexplained):
        if time.monotonic() > ends:
            break
        if shows(kept):
            break
    else:
        kept = prefix
    if not shows(kept):
        kept = prefix
    size = max(len(kept) // 2, 1)
    while size and time.monotonic() < ends:
        before, at = len(kept), 0
        while at < len(kept) and time.monotonic() < ends:
            fewer = kept[:at] + kept[at + size :]
            if shows(fewer):
                kept = fewer
            else:
                at += size
        size = size // 2 if size > 1 or len(kept) == before else 1
    return kept


def _guesses(history: Sequence[Operation], prefix: list[int], unexplained: int) -> Iterator[list[int]]:
    """Return larger and larger fragments: what speaks of the same tokens, then what was called last."""
    near = {unexplained}
    for _ in range(2):
        tokens = {token for index in near for token in _tokens(history[index])}
        near = {index for index in prefix if tokens & _tokens(history[index])} | {unexplained}
        if len(near) < 200:
            yield sorted(near)
    latest = sorted(prefix, key=lambda index: history[index].call)
    size = 8
    while size < len(latest):
        yield sorted({*latest[-size:], unexplained})
        size *= 2


def _tokens(operation: Operation) -> set[object]:
    told = None if operation.found is None else operation.found.token
    return {token for token in (operation.token, told) if token is not None}
