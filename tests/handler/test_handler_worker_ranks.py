"""The ranks of the workers, where nodes run several of them: from each node's count to everybody's ranks."""

from __future__ import annotations

from typing import Any

import pytest

from rdzv_core import RendezvousInfo, RendezvousParameters
from rdzv_core._handler.head import Announcement, Head, RoundId, Seat, Terms, encode_announcement, encode_head
from rdzv_core._handler.proposals import Proposer
from rdzv_core._handler.rank_order import natural_order
from rdzv_core._handler.rules import Rules
from rdzv_core._handler.settings import HandlerSettings
from rdzv_core._handler.situation import Situation
from rdzv_core._handler.view import LocalView
from rdzv_core._handler.worker_ranks import MOST_WORKERS, nodes_in, pack_counts, ranks_of
from rdzv_core.abc import Member, MembersView


@pytest.mark.parametrize(
    ("counts", "packed"),
    [([], ""), ([1], ""), ([1, 1, 1], ""), ([4] * 10, "4*10"), ([4, 4, 2], "4*2,2"), ([1, 2, 1], "1,2,1"), ([8], "8")],
)
def test_equal_counts_in_a_row_are_one(counts: list[int], packed: str) -> None:
    """A head of thousands of like nodes is as small as that of one."""
    assert pack_counts(counts) == packed
    assert nodes_in(packed) == (len(counts) if packed else 0)


@pytest.mark.parametrize("counts", [[1, 1, 1], [4, 4, 4, 4], [4, 1, 1, 2, 8], [1, 2, 1]])
def test_ranks_follow_each_other_node_by_node(counts: list[int]) -> None:
    """Every rank belongs to one worker, and none is left out."""
    packed, before = pack_counts(counts), 0
    for rank, count in enumerate(counts):
        assert ranks_of(packed, rank, len(counts)) == (range(before, before + count), sum(counts))
        before += count


def _joined(nodes: Any, counts: list[int]) -> list[RendezvousInfo]:
    """Return what each node of one round gets, by rank."""
    made = [nodes.make(f"n{number}", len(counts), len(counts), workers=count) for number, count in enumerate(counts)]
    return sorted(nodes.meet(*made), key=lambda info: info.rank)


def test_every_node_learns_the_ranks_of_its_workers(nodes: Any) -> None:
    """Through the store: each says in its membership how many it runs, and the roster tells everybody."""
    first, second, third = _joined(nodes, [3, 1, 2])
    assert [info.worker_count for info in (first, second, third)] == [6, 6, 6]
    assert [info.world_size for info in (first, second, third)] == [3, 3, 3]
    assert [info.worker_ranks for info in (first, second, third)] == [range(3), range(3, 4), range(4, 6)]


def test_one_worker_a_node_has_its_nodes_rank(nodes: Any) -> None:
    """And the head says nothing of it."""
    assert [(info.worker_ranks, info.worker_count) for info in _joined(nodes, [1, 1])] == [
        (range(1), 2),
        (range(1, 2), 2),
    ]
    assert b"workers" not in encode_head(Head("e"))
    assert b"workers" not in encode_announcement(Announcement("n", "a"))


@pytest.mark.parametrize("inline", [100_000, 10], ids=["inline", "separate"])
def test_the_counts_are_in_the_head_of_any_roster(inline: int) -> None:
    """Also of one that has a value of its own; and the next roster's replace them."""
    names = [f"n{number}" for number in range(40)]
    seats = tuple(Seat(name, name, "host") for name in names)
    members = tuple(
        Member(name, encode_announcement(Announcement(name, "host", RoundId("e", 2), workers=8 if name > "n3" else 2)))
        for name in names
    )
    head = Head("e", Terms(1, 40, 1.0, 1.0, 1.0), round=1, workers="4*2", size=2)
    known = LocalView(head=head, view=MembersView("i", 1, members))
    proposer = Proposer(Rules(), natural_order, inline_bytes=inline)
    written = proposer.roster(known, head, Situation(candidates=seats), "w").head
    assert bool(written.digest) == (inline == 10)
    assert nodes_in(written.workers) == 40 == written.size
    by_rank = {seat.node: rank for rank, seat in enumerate(natural_order(seats, ()))}
    assert len(ranks_of(written.workers, by_rank["n2"], 40)[0]) == 2
    assert len(ranks_of(written.workers, by_rank["n4"], 40)[0]) == 8


@pytest.mark.parametrize("workers", [0, -1, MOST_WORKERS + 1])
def test_a_count_that_cannot_be_is_refused(workers: int) -> None:
    """With its value and the range."""
    with pytest.raises(ValueError, match="workers"):
        HandlerSettings.from_params(RendezvousParameters("memory", "e", "r", 1, 1, workers=workers))
