"""What follows from a seed before anything happens."""

from __future__ import annotations

from dataclasses import dataclass

from rdzv_core._handler.settings import HandlerSettings
from rdzv_simulation._cluster.clock import FASTEST

LATE_COMERS = ("late0", "late1")
"""The nodes that come by the fault `join`; all others are the cluster's own."""

TWINS = ("twin0", "twin1")
"""The processes that come by the fault `twin`, each with the node id of one that is alive."""

GUESTS = (*LATE_COMERS, *TWINS)

_INTERVAL = 1.0

_MESSAGES_TAKE = 0.2
"""Seconds that a request and its answer take in a peace, and hardly ever more."""


@dataclass(frozen=True)
class ClusterSettings:
    """The size of a cluster and its timing, in seconds."""

    nodes: int
    min_nodes: int
    max_nodes: int
    stop_time: float
    fence_delay: float
    strategy: str
    ttl: float = 3.0
    heartbeat_timeout: float = 1.5
    join_timeout: float = 40.0
    evict_after: float | None = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """The cluster's own nodes."""
        return tuple(f"host{number}" for number in range(self.nodes))

    @property
    def leases_may_end_early(self) -> bool:
        """Whether the fence delay covers a node that does not learn at once that its lease was ended early."""
        return self.fence_delay >= _INTERVAL + 0.9 * self.ttl + self.stop_time

    def covered(self, silent: bool) -> float:
        """Return for how many seconds the store may be away before the lease of a node in touch with it may be over.

        The last keep-alive that succeeded was sent up to an interval before. Where the store refuses, the next one that
        can succeed is sent a backoff after it is back, at most a third of an interval. Where it is `silent`, it is sent
        as soon as the one under way is given up.
        """
        left = 0.9 * self.ttl - _INTERVAL
        covered = left // self.heartbeat_timeout * self.heartbeat_timeout if silent else left - _INTERVAL / 3
        return covered / FASTEST - _MESSAGES_TAKE

    def handler(self) -> HandlerSettings:
        """Return the handler's settings: a keep-alive per second, a lease of three to six."""
        return HandlerSettings(
            min_nodes=self.min_nodes,
            max_nodes=self.max_nodes,
            node_id="",
            address="",
            join_timeout=self.join_timeout,
            last_call_timeout=0.5,
            close_timeout=10.0,
            heartbeat_timeout=self.heartbeat_timeout,
            keep_alive_interval=_INTERVAL,
            keep_alive_max_attempt=round(self.ttl / _INTERVAL),
            fence_delay=self.fence_delay,
            evict_after=self.evict_after,
        )
