"""Findings of one cause: whatever breaks every call of a backend is found by every clause."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from rdzv_conformance.run.results import ClauseResult

LEAST = 3
"""How many clauses must have one cause before it is said once for all of them."""

_RAISED = re.compile(r".*? raised (?=[A-Z]\w*)")
_OWN = re.compile(r"'[^']*'|\"[^\"]*\"|0x[0-9a-f]+|[0-9a-f]{8,}|[0-9]+(\.[0-9]+)?")
_MOST = 300


class Cause(NamedTuple):
    """Clauses that were broken by one cause; the first one's message tells it."""

    clauses: tuple[ClauseResult, ...]

    def told(self) -> str:
        """Return which they are, in words."""
        return f"one cause of {len(self.clauses)} clauses ({', '.join(each.clause for each in self.clauses)})"


def causes(clauses: Iterable[ClauseResult]) -> list[Cause]:
    """Return the causes that at least `LEAST` clauses have, in the order of their first ones."""
    groups: dict[frozenset[str], list[ClauseResult]] = {}
    for each in clauses:
        if each.status in ("fail", "error"):
            groups.setdefault(_key(each), []).append(each)
    return [Cause(tuple(group)) for group in groups.values() if len(group) >= LEAST]


def repeated(found: Iterable[Cause]) -> Mapping[str, str]:
    """Return, for each clause that repeats what another one has said, the number of that one."""
    return {each.clause: cause.clauses[0].clause for cause in found for each in cause.clauses[1:]}


def _key(result: ClauseResult) -> frozenset[str]:
    """Return what its tests found, without what is each one's own: the call, quoted values, ids and numbers."""
    told = [test.message for test in result.tests if test.status == result.status] or [result.message]
    return frozenset(_OWN.sub("*", _RAISED.sub("", text, count=1))[:_MOST] for text in told)
