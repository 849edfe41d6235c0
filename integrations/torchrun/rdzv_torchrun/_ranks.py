"""How a round that ended while torch's agents were sharing out ranks is lived through.

Right after a rendezvous every agent writes how many workers it has into the round's store, rank 0 adds up, and every
agent reads its workers' ranks. An agent that gets an error there ends, and so would all agents of the round when one
of them is killed in that moment. So in a round that is over they are given ranks as if all nodes were alike: their
workers start, the agent's next look at `num_nodes_waiting` finds that it has to meet again, and stops them. Those
workers meet nobody, since the round's rank 0, or a peer that they wait for, has gone.
"""

from __future__ import annotations

import json

_ROLE = "torchelastic/role_info/"
_RANKS = "torchelastic/assigned_ranks/"


class RankAssignment:
    """What torch's agent says of its own workers, and what it would have been told."""

    def __init__(self, world_size: int) -> None:
        self._nodes = world_size
        self._own: dict[str, object] = {}

    @staticmethod
    def concerns(key: str) -> bool:
        """Whether `key` is one of those by which agents share out ranks."""
        return key.startswith((_ROLE, _RANKS))

    def note(self, key: str, value: bytes) -> None:
        """Take note of what this node's agent writes."""
        if not key.startswith(_ROLE):
            return
        try:
            said = json.loads(value)
        except ValueError:  # not as torch writes it today: then nothing can stand for it
            return
        if isinstance(said, dict):
            self._own = said

    def instead(self, key: str) -> bytes | None:
        """Return what stands for the value of `key` in a round that is over; None if nothing can."""
        workers, rank = self._own.get("local_world_size"), key.rpartition("/")[2]
        if not isinstance(workers, int) or not rank.isdecimal():
            return None
        if key.startswith(_ROLE):
            return json.dumps({**self._own, "rank": int(rank)}).encode()
        first, total = int(rank) * workers, self._nodes * workers
        return json.dumps([first, total, first, total]).encode()
