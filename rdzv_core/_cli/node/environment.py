"""What a command is told of its round: its environment variables, and torchrun's names for the same."""

from __future__ import annotations

import os
from collections.abc import Mapping

from rdzv_core._handler.info import RendezvousInfo

MAX_PEERS_BYTES = 100_000
"""Linux takes at most 128 KiB in one variable; a longer list of peers is left out."""

_ROLE = "default"
"""torchrun's name for the role of all workers where none was given."""


def job_environment(info: RendezvousInfo, run_id: str) -> dict[str, str]:
    """Return the variables for this node's first worker, all text.

    Fetches the peers, and waits for rank 0 to announce its port: it may block, and raises what the handler raises.
    """
    peers = ",".join(info.peers)
    count = str(info.worker_count)
    variables = {
        **_ranked(info.worker_ranks[0], 0),
        "WORLD_SIZE": count,
        "LOCAL_WORLD_SIZE": str(len(info.worker_ranks)),
        "GROUP_RANK": str(info.rank),
        "GROUP_WORLD_SIZE": str(info.world_size),
        "ROLE_WORLD_SIZE": count,
        "ROLE_NAME": _ROLE,
        "MASTER_ADDR": info.master_addr,
        "MASTER_PORT": str(info.master_port),
        "RDZV_RUN_ID": run_id,
        "RDZV_EPOCH": info.epoch,
        "RDZV_ROUND": str(info.round),
        "RDZV_FENCE": str(info.fence),
        "TORCHELASTIC_RUN_ID": run_id,
        "TORCHELASTIC_USE_AGENT_STORE": "False",  # rank 0 serves the job's store, at MASTER_PORT
    }
    if len(peers.encode()) <= MAX_PEERS_BYTES:
        variables["RDZV_PEERS"] = peers
    return variables


def restarts(started: int, failed: int, most: int) -> dict[str, str]:
    """Return how often the command was `started` before, and `failed` of the `most` times that are borne with."""
    return {
        "RESTART_COUNT": str(started),
        "RDZV_RESTART_COUNT": str(started),
        "TORCHELASTIC_RESTART_COUNT": str(failed),
        "TORCHELASTIC_MAX_RESTARTS": str(most),
    }


def worker_environments(first: Mapping[str, str], ranks: range) -> list[dict[str, str]]:
    """Return the variables of each worker of a node, given those of the first.

    As under torchrun, several workers share the processors with one thread each, unless OMP_NUM_THREADS is set.
    """
    shared = {"OMP_NUM_THREADS": "1"} if len(ranks) > 1 and not os.environ.get("OMP_NUM_THREADS") else {}
    return [{**shared, **first, **_ranked(rank, place)} for place, rank in enumerate(ranks)]


def _ranked(rank: int, place: int) -> dict[str, str]:
    return {"RANK": str(rank), "LOCAL_RANK": str(place), "ROLE_RANK": str(rank)}
