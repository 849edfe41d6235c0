"""What a command is told of its round: its environment variables."""

from __future__ import annotations

from rdzv_core._handler.info import RendezvousInfo

MAX_PEERS_BYTES = 100_000
"""Linux takes at most 128 KiB in one variable; a longer list of peers is left out."""


def job_environment(info: RendezvousInfo, run_id: str) -> dict[str, str]:
    """Return the variables for the command, all text.

    Fetches the peers, and waits for rank 0 to announce its port: it may block, and raises what the handler raises.
    """
    peers = ",".join(info.peers)
    variables = {
        "RANK": str(info.rank),
        "WORLD_SIZE": str(info.world_size),
        "MASTER_ADDR": info.master_addr,
        "MASTER_PORT": str(info.master_port),
        "RDZV_RUN_ID": run_id,
        "RDZV_EPOCH": info.epoch,
        "RDZV_ROUND": str(info.round),
        "RDZV_FENCE": str(info.fence),
    }
    if len(peers.encode()) <= MAX_PEERS_BYTES:
        variables["RDZV_PEERS"] = peers
    return variables
