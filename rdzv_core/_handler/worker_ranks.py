"""How many workers each node of a round runs, and the ranks that follow from it. Pure.

The head holds the counts by rank as runs of equal ones: `4*10,2` is ten nodes of four workers and then one of two. It
holds nothing where every node runs one, and a few characters where all run the same number.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec

MOST_WORKERS = 10_000
"""Workers of one node at most."""

_RUN = r"[1-9][0-9]{0,4}(\*[1-9][0-9]{0,6})?"

WorkerCount = Annotated[int, msgspec.Meta(ge=1, le=MOST_WORKERS)]
"""How many workers a node runs."""

WorkerCounts = Annotated[str, msgspec.Meta(pattern=rf"^({_RUN}(,{_RUN})*)?\Z")]
"""How many workers the nodes of a roster run, by rank; empty: each of them one."""


def pack_counts(counts: Iterable[int]) -> WorkerCounts:
    """Return the counts as the head holds them."""
    runs = [(count, len(list(same))) for count, same in itertools.groupby(counts)]
    if all(count == 1 for count, _ in runs):
        return ""
    return ",".join(f"{count}*{nodes}" if nodes > 1 else f"{count}" for count, nodes in runs)


def nodes_in(counts: WorkerCounts) -> int:
    """Return of how many nodes the counts tell."""
    return sum(nodes for _, nodes in _runs(counts))


def ranks_of(counts: WorkerCounts, rank: int, nodes: int) -> tuple[range, int]:
    """Return the ranks of the workers of the node with `rank`, of so many `nodes`, and how many workers all run."""
    mine, total, before = range(rank, rank + 1), 0, 0
    for count, many in _runs(counts) if counts else ((1, nodes),):
        if before <= rank < before + many:
            first = total + (rank - before) * count
            mine = range(first, first + count)
        before, total = before + many, total + many * count
    return mine, total


def _runs(counts: WorkerCounts) -> Iterator[tuple[int, int]]:
    """Yield each count with the number of nodes in a row that have it."""
    for run in counts.split(",") if counts else ():
        count, _, nodes = run.partition("*")
        yield int(count), int(nodes or 1)
