"""Many independent checks side by side: what waits for a slow store waits once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from rdzv_conformance.harness.expect import ClauseFailed
from rdzv_conformance.harness.threads import Running

T = TypeVar("T")

AT_A_TIME = 8
STUCK = 100.0
MOST_TOLD = 5


def in_parts(items: Sequence[T], parts: int = AT_A_TIME) -> list[list[T]]:
    """Return the items dealt out to so many parts, each in the order of the whole; no part is empty."""
    return [part for part in ([*items[number::parts]] for number in range(parts)) if part]


def together(items: Iterable[T], check: Callable[[T], object], pace: float = 1.0) -> None:
    """Call `check` with every item, some at a time, each time on a thread of its own; raise what the first one raises.

    Of findings all are told, up to five. A check makes the instances that it uses: a backend may be of one thread.
    """
    findings: list[ClauseFailed] = []
    for begun in _in_batches(items, check):
        for each in begun:
            try:
                each.result(STUCK * pace, f"a check has not ended after {STUCK * pace:.0f} s")
            except ClauseFailed as finding:
                findings.append(finding)
        if findings:
            break
    if len(findings) == 1:
        raise findings[0]
    if findings:
        told = dict.fromkeys(str(finding) for finding in findings[:MOST_TOLD])
        raise ClauseFailed("; ".join(told)) from findings[0]


def _in_batches(items: Iterable[T], check: Callable[[T], object]) -> Iterable[list[Running[object]]]:
    batch: list[Running[object]] = []
    for item in items:
        batch.append(Running(check, item))
        if len(batch) == AT_A_TIME:
            yield batch
            batch = []
    yield batch
