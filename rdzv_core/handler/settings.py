"""The handler's options and what follows from them."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from typing import Any

from rdzv_core._parameters import RendezvousParameters
from rdzv_core.events import VARIABLE
from rdzv_core.options import Option

JOIN_TIMEOUT = Option("join_timeout", float, 600.0, "seconds in which a round must form", positive=True)
TIMEOUT = Option("timeout", float, None, "join_timeout under the name of PyTorch's etcd handler", positive=True)
LAST_CALL_TIMEOUT = Option(
    "last_call_timeout", float, 30.0, "seconds to wait for more nodes once min_nodes are there", positive=True
)
CLOSE_TIMEOUT = Option("close_timeout", float, 30.0, "seconds that closing a run may take", positive=True)
HEARTBEAT_TIMEOUT = Option("heartbeat_timeout", float, 5.0, "seconds that one keep-alive may take", positive=True)
KEEP_ALIVE_INTERVAL = Option("keep_alive_interval", float, 5.0, "seconds between two keep-alives", positive=True)
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

EVENTS = Option(
    "events",
    str,
    None,
    "where events are told, separated by commas: log, otel, or a file for JSON lines; unset: as RDZV_EVENTS says",
)

HANDLER_OPTIONS: tuple[Option[Any], ...] = (
    JOIN_TIMEOUT,
    TIMEOUT,
    LAST_CALL_TIMEOUT,
    CLOSE_TIMEOUT,
    HEARTBEAT_TIMEOUT,
    KEEP_ALIVE_INTERVAL,
    KEEP_ALIVE_MAX_ATTEMPT,
    FENCE_DELAY,
    EVICT_AFTER,
    NODE_ID,
    EVENTS,
)


@dataclass(frozen=True)
class HandlerSettings:
    """What a handler goes by; all times in seconds."""

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
    events: str = ""

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
        """Read the handler's options; raises `ValueError` for a bad one."""
        interval = KEEP_ALIVE_INTERVAL.of(params)
        fence_delay = FENCE_DELAY.optional(params)
        return cls(
            min_nodes=params.min_nodes,
            max_nodes=params.max_nodes,
            node_id=NODE_ID.optional(params) or secrets.token_hex(8),
            address=params.local_addr or socket.gethostname(),
            join_timeout=TIMEOUT.optional(params) or JOIN_TIMEOUT.of(params),
            last_call_timeout=LAST_CALL_TIMEOUT.of(params),
            close_timeout=CLOSE_TIMEOUT.of(params),
            heartbeat_timeout=HEARTBEAT_TIMEOUT.of(params),
            keep_alive_interval=interval,
            keep_alive_max_attempt=KEEP_ALIVE_MAX_ATTEMPT.of(params),
            fence_delay=interval if fence_delay is None else fence_delay,
            evict_after=EVICT_AFTER.optional(params),
            events=os.environ.get(VARIABLE, "") if (events := EVENTS.optional(params)) is None else events,
        )
