"""The order of ranks: what a plugin says, else natural order."""

from __future__ import annotations

from collections.abc import Sequence

from rdzv_core._handler.head import Seat
from rdzv_core._handler.rank_order import RankOrder, natural_order
from rdzv_core.hooks import Hooks


def rank_order(hooks: Hooks, run_id: str) -> RankOrder:
    """Return the order in which the candidates of a round get their ranks."""

    def order(candidates: Sequence[Seat], last: Sequence[Seat]) -> Sequence[Seat]:
        seats = {seat.node: seat for seat in candidates}
        ranked = hooks.ranks(run_id, list(seats), [seat.node for seat in last])
        return natural_order(candidates, last) if ranked is None else [seats[node] for node in ranked]

    return order
