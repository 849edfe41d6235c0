"""Which rank each node of a round gets, where no plugin decides that. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from rdzv_core._handler.head import Seat

RankOrder = Callable[[Sequence[Seat], Sequence[Seat]], Sequence[Seat]]
"""Takes the candidates and the last roster, returns the candidates by rank."""


def natural_order(candidates: Sequence[Seat], last: Sequence[Seat]) -> Sequence[Seat]:
    """Return the candidates with every node at the rank it had, where that is below the number of nodes.

    The others take what is left over, in natural order of address and node id: `host2` before `host10`.
    """
    ranked: list[Seat | None] = [None] * len(candidates)
    had = {seat.node: rank for rank, seat in enumerate(last)}
    others = []
    for seat in candidates:
        rank = had.get(seat.node, len(ranked))
        if rank < len(ranked) and ranked[rank] is None:
            ranked[rank] = seat
        else:
            others.append(seat)
    rest = iter(sorted(others, key=_natural_key))
    return [seat if seat is not None else next(rest) for seat in ranked]


def _natural_key(seat: Seat) -> list[tuple[int, int, str]]:
    parts = re.split(r"([0-9]+)", f"{seat.address} {seat.node}")
    return [(0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part) for part in parts]
