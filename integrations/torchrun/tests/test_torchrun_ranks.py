"""What an agent is told of ranks in a round that has ended meanwhile."""

from __future__ import annotations

import json

from rdzv_torchrun._ranks import RankAssignment


def role(rank: int, workers: int) -> bytes:
    return json.dumps({"role": "default", "rank": rank, "local_world_size": workers}).encode()


def test_all_nodes_are_taken_to_be_like_this_one() -> None:
    """Its workers' ranks follow from its own number of workers."""
    ranks = RankAssignment(world_size=3)
    ranks.note("torchelastic/role_info/1", role(1, 2))
    assert {"role": "default", "rank": 2, "local_world_size": 2} == json.loads(
        ranks.instead("torchelastic/role_info/2") or b""
    )
    assert [2, 6, 2, 6] == json.loads(ranks.instead("torchelastic/assigned_ranks/1") or b"")


def test_nothing_is_made_up_before_the_agent_has_said_what_it_has() -> None:
    """Nor for a key that is no rank's."""
    ranks = RankAssignment(world_size=3)
    assert ranks.instead("torchelastic/assigned_ranks/1") is None
    ranks.note("torchelastic/role_info/1", role(1, 2))
    assert ranks.instead("torchelastic/assigned_ranks/x") is None


def test_what_is_not_written_as_torch_does_today_is_left_alone() -> None:
    """A later torch may write it in another way: that is no reason for an agent to end."""
    ranks = RankAssignment(world_size=3)
    ranks.note("torchelastic/role_info/1", b"\x80pickled")
    ranks.note("torchelastic/role_info/1", b"[1, 2]")
    assert ranks.instead("torchelastic/assigned_ranks/1") is None


def test_other_keys_are_none_of_its_business() -> None:
    """The exit barrier's keys, say."""
    assert RankAssignment.concerns("torchelastic/role_info/0")
    assert RankAssignment.concerns("torchelastic/assigned_ranks/0")
    assert not RankAssignment.concerns("torchelastic/agent/terminal_state/last_member")
