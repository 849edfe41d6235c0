"""Which endpoint of a cluster to ask next, and for how long. No I/O; the caller says what time it is."""

from __future__ import annotations

import random
from collections.abc import Sequence

from rdzv_core.endpoint import HostPort

AVOIDED_SECONDS = 10.0
"""How long an endpoint that did not answer is tried only after all others."""
PROVEN_SECONDS = 1.0
"""How long an answer proves that its endpoint is up: a write, which cannot go to two, is sent to such a one."""
CONNECT_SECONDS = 1.0
FIRST_SECONDS, LONGEST_SECONDS = 0.75, 5.0
"""The time limit for one endpoint of several: in the first turn, and in any later one."""
ALONE_FIRST_SECONDS, ALONE_LONGEST_SECONDS = 5.0, 10.0
"""The same for an only endpoint: it may be slow, or a load balancer with several etcds behind it."""
QUICK_SECONDS = 0.05
"""An answer within this time says that an endpoint is as quick as any."""
WRITE_SECONDS, RESUMABLE_WRITE_SECONDS = 5.0, 2.0
"""The same for a write, which an election holds up, and for one that may be sent again after a read."""


class Endpoints:
    """The endpoints of one cluster, and how each has answered lately, for one process. Thread-safe.

    The one that answered last is tried first, so that a silent one costs one attempt; the very first is drawn at
    random. One that did not answer is tried last for a while.
    """

    def __init__(self, endpoints: Sequence[HostPort]) -> None:
        self.all: tuple[HostPort, ...] = tuple(endpoints)
        self._preferred = random.choice(self.all)
        self._avoided_until: dict[HostPort, float] = {}
        self._took: dict[HostPort, float] = {}
        self._answered_at = float("-inf")

    @property
    def preferred(self) -> HostPort:
        """The one that answered last."""
        return self._preferred

    @property
    def ever_answered(self) -> bool:
        """Whether any endpoint ever answered."""
        return bool(self._took)

    @property
    def alone(self) -> bool:
        """Whether there is only one endpoint."""
        return len(self.all) == 1

    def order(self, now: float) -> list[HostPort]:
        """Return all endpoints in the order to try: the one that answered last, others, those that did not answer."""
        preferred = self._preferred

        def place(endpoint: HostPort) -> tuple[float, bool, float]:
            avoided_until = self._avoided_until.get(endpoint, 0.0)
            return (avoided_until if avoided_until > now else 0.0, endpoint != preferred, random.random())

        return sorted(self.all, key=place)

    def read_limit(self, endpoint: HostPort, turn: int, total: float) -> float:
        """Return how many seconds an attempt at a read may take in a turn (from 0) through all endpoints.

        `total` is the time of the whole call. Each turn allows more time than the one before, and an endpoint that is
        known to be slow gets more too.
        """
        first, longest = min(total / 5, FIRST_SECONDS), LONGEST_SECONDS
        if self.alone:
            first, longest = ALONE_FIRST_SECONDS, ALONE_LONGEST_SECONDS
        limit = max(first * 2.0 ** min(turn, 8), 4 * self._took.get(endpoint, 0.0))
        return min(limit, longest)

    def write_limit(self, resumable: bool) -> float:
        """Return how many seconds an attempt at a write may take; `resumable` if it may be sent again after a read."""
        if self.alone:
            return ALONE_LONGEST_SECONDS if resumable else float("inf")
        return RESUMABLE_WRITE_SECONDS if resumable else WRITE_SECONDS

    @property
    def connect_limit(self) -> float:
        """How many seconds connecting may take."""
        return ALONE_FIRST_SECONDS if self.alone else CONNECT_SECONDS

    def proven(self, now: float) -> bool:
        """Whether the preferred endpoint answered just now, or is the only one anyway."""
        return self.alone or now - self._answered_at < PROVEN_SECONDS

    def answered(self, endpoint: HostPort, took: float, now: float) -> None:
        """Note that an endpoint answered after `took` seconds.

        That counts for at most twice as long as the answer before: one that an election held up makes no slow endpoint.
        """
        self._preferred, self._answered_at = endpoint, now
        before = self._took.get(endpoint, took)
        self._took[endpoint] = min(took, max(2 * before, QUICK_SECONDS))
        self._avoided_until.pop(endpoint, None)

    def failed_since(self, endpoint: HostPort, moment: float) -> bool:
        """Whether an endpoint has not answered something at `moment` or later, and nothing else since."""
        return self._avoided_until.get(endpoint, float("-inf")) >= moment + AVOIDED_SECONDS

    def doubt(self) -> None:
        """Forget that the preferred endpoint has proven that it is up."""
        self._answered_at = float("-inf")

    def failed(self, endpoint: HostPort, now: float) -> None:
        """Note that an endpoint did not answer."""
        if endpoint == self._preferred:
            self.doubt()
        self._avoided_until[endpoint] = now + AVOIDED_SECONDS
