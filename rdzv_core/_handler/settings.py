"""The handler's options and what follows from them."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, replace
from typing import Any

from rdzv_core._environment import EVENTS as EVENTS_VARIABLE
from rdzv_core._handler.worker_ranks import MOST_WORKERS
from rdzv_core._keys import run_of
from rdzv_core._parameters import RendezvousParameters
from rdzv_core.addresses import default_address
from rdzv_core.compat import TIMEOUT
from rdzv_core.options import Option

JOIN_TIMEOUT = Option("join_timeout", float, 600.0, "seconds in which a round must form", positive=True)
LAST_CALL_TIMEOUT = Option(
    "last_call_timeout", float, 30.0, "seconds to wait for more nodes once min_nodes are there", positive=True
)
CLOSE_TIMEOUT = Option("close_timeout", float, 30.0, "seconds that closing a run may take", positive=True)
STANDBY_TIMEOUT = Option(
    "standby_timeout",
    float,
    None,
    "seconds to stand by while a full round works, for which join_timeout does not count; unset: without limit",
    positive=True,
)
HEARTBEAT_TIMEOUT = Option(
    "heartbeat_timeout",
    float,
    None,
    "seconds that one keep-alive may take; unset: 5, or less where the ttl is short",
    positive=True,
)
TTL = Option(
    "ttl",
    float,
    None,
    "seconds that a membership lasts without a keep-alive; unset: keep_alive_interval x keep_alive_max_attempt, 15",
    positive=True,
)
KEEP_ALIVE_INTERVAL = Option(
    "keep_alive_interval",
    float,
    None,
    "seconds between two keep-alives; unset: ttl / keep_alive_max_attempt, 5",
    positive=True,
)
KEEP_ALIVE_MAX_ATTEMPT = Option(
    "keep_alive_max_attempt", int, 3, "missed keep-alives after which a node counts as lost", positive=True
)
FENCE_DELAY = Option(
    "fence_delay",
    float,
    None,
    "seconds a roster waits after a member expired, for its work to stop; unset: one keep-alive interval",
    not_negative=True,
)
EVICT_AFTER = Option(
    "evict_after",
    float,
    None,
    "seconds after which a member that does not ask for the awaited round is dropped; unset: never",
    positive=True,
)
NODE_ID = Option(
    "node_id",
    str,
    None,
    "who this node is, so that a restarted process keeps its rank; unset: a random one",
)
MASTER_PORT = Option(
    "master_port",
    int,
    None,
    "the port that rank 0 publishes for the job, as where a firewall lets only one through; unset: one that is free",
    positive=True,
)
WORKERS = Option(
    "workers",
    int,
    1,
    "how many processes of the job this node runs: ranks are given to all of them, node by node",
    positive=True,
)

EVENTS = Option(
    "events",
    str,
    None,
    "where events are told, separated by commas: log, otel, metrics:HOST[:PORT], or a file for JSON lines; unset: as "
    "RDZV_EVENTS says",
)

HANDLER_OPTIONS: tuple[Option[Any], ...] = (
    JOIN_TIMEOUT,
    TIMEOUT,
    LAST_CALL_TIMEOUT,
    CLOSE_TIMEOUT,
    STANDBY_TIMEOUT,
    HEARTBEAT_TIMEOUT,
    TTL,
    KEEP_ALIVE_INTERVAL,
    KEEP_ALIVE_MAX_ATTEMPT,
    FENCE_DELAY,
    EVICT_AFTER,
    NODE_ID,
    MASTER_PORT,
    WORKERS,
    EVENTS,
)


_DEFAULT_INTERVAL = 5.0
_MOST_IN_HEAD = 2048
_MAX_PORT = 65535


@dataclass(frozen=True)
class HandlerSettings:
    """What a handler goes by; all times in seconds.

    An empty `address` stands for the one by which this host reaches the store: see `located`.
    """

    min_nodes: int
    max_nodes: int
    node_id: str
    address: str
    join_timeout: float = 600.0
    last_call_timeout: float = 30.0
    close_timeout: float = 30.0
    heartbeat_timeout: float = 5.0
    keep_alive_interval: float = 5.0
    keep_alive_max_attempt: int = 3
    fence_delay: float = 5.0
    evict_after: float | None = None
    standby_timeout: float = float("inf")
    events: str = ""
    run: str = ""
    """The run id, where the register's key does not tell it and it is short enough for the head."""
    came: int = 0
    """When this node's handler was made, in seconds since 1970: the others show it. The handler reads no such clock."""
    master_port: int | None = None
    workers: int = 1

    @property
    def ttl(self) -> float:
        """How long a lease runs from when its last successful refresh was sent."""
        return self.keep_alive_interval * self.keep_alive_max_attempt

    @property
    def deputy_delay(self) -> float:
        """How much later than the one before it a deputy writes what should have been written."""
        return self.keep_alive_interval / 5

    @classmethod
    def from_params(cls, params: RendezvousParameters) -> HandlerSettings:
        """Read the handler's options; raises `ValueError` for a bad one, and for some that do not fit together."""
        attempts = KEEP_ALIVE_MAX_ATTEMPT.of(params)
        interval = _interval(params, attempts)
        fence_delay = FENCE_DELAY.optional(params)
        settings = cls(
            min_nodes=params.min_nodes,
            max_nodes=params.max_nodes,
            node_id=NODE_ID.optional(params) or secrets.token_hex(8),
            address=params.local_addr or "",
            join_timeout=_join_timeout(params),
            last_call_timeout=LAST_CALL_TIMEOUT.of(params),
            close_timeout=CLOSE_TIMEOUT.of(params),
            heartbeat_timeout=HEARTBEAT_TIMEOUT.optional(params) or fitting_heartbeat_timeout(interval, attempts),
            keep_alive_interval=interval,
            keep_alive_max_attempt=attempts,
            fence_delay=interval if fence_delay is None else fence_delay,
            evict_after=EVICT_AFTER.optional(params),
            standby_timeout=STANDBY_TIMEOUT.optional(params) or float("inf"),
            events=os.environ.get(EVENTS_VARIABLE, "") if (events := EVENTS.optional(params)) is None else events,
            run=_told_by_head(params),
            master_port=MASTER_PORT.optional(params),
            workers=WORKERS.of(params),
        )
        settings.validate()
        return settings

    def located(self, local_address: str | None) -> HandlerSettings:
        """Return the settings with an address: the given one, the one that reaches the store, or the host's name."""
        return self if self.address else replace(self, address=local_address or default_address())

    def validate(self) -> None:
        """Raise `ValueError` for what cannot work, and where two settings do not fit together, naming what would."""
        if self.master_port is not None and self.master_port > _MAX_PORT:
            raise ValueError(f"option master_port={self.master_port} is not a port: give one from 1 to {_MAX_PORT}")
        if not 0 < self.workers <= MOST_WORKERS:
            raise ValueError(
                f"option workers={self.workers} is not a number of processes: give one from 1 to {MOST_WORKERS:,}"
            )
        spare = _spare_time(self.keep_alive_interval, self.keep_alive_max_attempt)
        if self.heartbeat_timeout >= spare:
            raise ValueError(
                f"heartbeat_timeout={self.heartbeat_timeout:g} is too long for a ttl of {self.ttl:g} s "
                f"(keep_alive_interval={self.keep_alive_interval:g} x "
                f"keep_alive_max_attempt={self.keep_alive_max_attempt}): one keep-alive without an answer would stop "
                f"the work of this node; give a heartbeat_timeout below {spare:g}, or a longer ttl"
            )
        if self.evict_after is not None and self.evict_after <= self.fence_delay:
            raise ValueError(
                f"evict_after={self.evict_after:g} is not longer than fence_delay={self.fence_delay:g}, the time in "
                "which a member may stop its work: members that stop in time would be dropped; give a longer one"
            )


def fitting_heartbeat_timeout(interval: float, attempts: int) -> float:
    """Return how long one keep-alive may take by default: 5 s, and less where the lease would not bear that."""
    return min(5.0, interval, 0.8 * _spare_time(interval, attempts))


def _spare_time(interval: float, attempts: int) -> float:
    """Return how long a first keep-alive may stay unanswered so that there is time for another before 0.9 ttl."""
    ttl = interval * attempts
    return 0.9 * ttl - min(interval, ttl / 2)


def _interval(params: RendezvousParameters, attempts: int) -> float:
    ttl, interval = TTL.optional(params), KEEP_ALIVE_INTERVAL.optional(params)
    if ttl is None:
        return _DEFAULT_INTERVAL if interval is None else interval
    if interval is not None and abs(interval * attempts - ttl) > 1e-6 * ttl:
        raise ValueError(
            f"ttl={ttl:g} and keep_alive_interval={interval:g} do not fit: the ttl is keep_alive_interval x "
            f"keep_alive_max_attempt={attempts}, which makes {interval * attempts:g}; leave out one of the two"
        )
    return ttl / attempts


def _join_timeout(params: RendezvousParameters) -> float:
    timeout = TIMEOUT.optional(params)
    if timeout is None:
        return JOIN_TIMEOUT.of(params)
    if JOIN_TIMEOUT.name in params.config:
        raise ValueError(
            f"timeout={timeout:g} and join_timeout={JOIN_TIMEOUT.of(params):g} are both given: timeout is PyTorch's "
            "name for join_timeout; leave out one of the two"
        )
    return timeout


def _told_by_head(params: RendezvousParameters) -> str:
    if run_of(params.key) is not None:
        return ""
    return params.run_id if len(json.dumps(params.run_id)) <= _MOST_IN_HEAD else ""
