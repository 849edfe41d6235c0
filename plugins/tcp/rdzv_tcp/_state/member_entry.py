"""One membership, and when it ends."""

from __future__ import annotations

import math

from rdzv_tcp._protocol import Enter

GRACE_SECONDS = 1.0
"""How long a member goes on after its process said that it is gone, but half of its ttl at most.

A process says so by the end of its connection, and one that lives never ends a connection in that way. Whoever
refreshes or claims meanwhile is alive all the same.
"""


def grace(ttl: float) -> float:
    """Return how long a member with this ttl goes on after its process was said to be gone."""
    return min(GRACE_SECONDS, ttl / 2)


class MemberEntry:
    """One membership. It ends at `ends`, or at `cut` where its process was said to be gone."""

    __slots__ = ("client", "cut", "ends", "id", "payload", "queued", "run", "sequence", "ttl")

    def __init__(self, request: Enter, now: float) -> None:
        self.id = request.member
        self.run = request.run
        self.payload = request.payload
        self.ttl = request.ttl
        self.client = request.client
        self.sequence = 0
        self.queued = math.inf
        self.renew(now)

    @property
    def end(self) -> float:
        """When it ends if nothing happens."""
        return min(self.ends, self.cut)

    def renew(self, now: float) -> None:
        """Start its ttl again."""
        self.ends, self.cut = now + self.ttl, math.inf
