"""What happens to a node, as plain frozen data for whatever listens. No I/O, no dependency.

A plugin hears events through the hook `rdzv_event` (see `rdzv_core.hooks`). Listeners for the standard logging, for a
file of JSON lines and for OpenTelemetry are built in: `rdzv run --events`, the environment variable RDZV_EVENTS, or
the handler's option `events` (see `docs/events.md`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

__all__ = [
    "Attempts",
    "Changed",
    "CommandEnded",
    "CommandStarted",
    "Departed",
    "Departing",
    "Entered",
    "Event",
    "Joined",
    "Joining",
    "JoiningFailed",
    "LastCall",
    "Phases",
    "RegisterWritten",
    "StoreBack",
    "StoreFailing",
    "name_of",
]


@dataclass(frozen=True)
class Phases:
    """How long each part of a meeting took, in seconds; None for what did not happen, or was not seen by this node.

    `entering`: until this node's membership stood (0 where it had one already). `gathering`: from then until the last
    call, or until the roster if there was none. `last_call`: from the last call until the roster. `announcing`: from
    finding itself in the roster until the others could read that this node works in it. `total`: all of it.
    """

    entering: float | None = None
    gathering: float | None = None
    last_call: float | None = None
    announcing: float | None = None
    total: float = 0.0


@dataclass(frozen=True)
class Attempts:
    """What a meeting cost this node: writes of the run's register, those that came too late, calls that failed."""

    writes: int = 0
    refused: int = 0
    errors: int = 0


@dataclass(frozen=True)
class Event:
    """Something that happened to the node `node_id` in the run `run_id` at `time`, in seconds since 1970."""

    run_id: str
    node_id: str
    time: float = field(default_factory=time.time, kw_only=True)


@dataclass(frozen=True)
class Joining(Event):
    """The node asks for the next round."""


@dataclass(frozen=True)
class Entered(Event):
    """The node has a membership, `seconds` after it asked."""

    seconds: float


@dataclass(frozen=True)
class LastCall(Event):
    """The last call for `round` is on, as this node has seen; `seconds` after it asked."""

    round: int
    seconds: float


@dataclass(frozen=True)
class Joined(Event):
    """The node is in a round."""

    round: int
    rank: int
    world_size: int
    epoch: str = ""
    fence: int = 0
    phases: Phases = Phases()
    attempts: Attempts = Attempts()


@dataclass(frozen=True)
class JoiningFailed(Event):
    """No round formed for the node."""

    error: Exception
    phases: Phases = Phases()
    attempts: Attempts = Attempts()


@dataclass(frozen=True)
class RegisterWritten(Event):
    """The node wrote the run's register, or came too late (`accepted` is False).

    With `world_size` not 0 it wrote the roster of `round`; else a last call, a change that is due, an end.
    """

    round: int
    accepted: bool
    world_size: int = 0


@dataclass(frozen=True)
class Changed(Event):
    """The round no longer holds: `reason` is the name of a `ChangeReason`, FENCED and STORE_LOST among them."""

    round: int
    reason: str
    detail: str


@dataclass(frozen=True)
class StoreFailing(Event):
    """A call on the store failed, the first one after all was well; `operation` says which."""

    operation: str
    error: Exception


@dataclass(frozen=True)
class StoreBack(Event):
    """A call on the store succeeded again, `seconds` after the first of `errors` that did not."""

    seconds: float
    errors: int


@dataclass(frozen=True)
class Departing(Event):
    """The node departs: `how` is `left` or `done`."""

    how: str


@dataclass(frozen=True)
class Departed(Event):
    """The node is gone, `seconds` after it was told to leave or finish."""

    how: str
    seconds: float


@dataclass(frozen=True)
class CommandStarted(Event):
    """`rdzv run` has started a worker for a round; `rank` is the worker's, and `process` its process group."""

    round: int
    rank: int
    process: int


@dataclass(frozen=True)
class CommandEnded(Event):
    """A worker of `rdzv run` is gone, after `seconds`.

    `status` is its exit status, or minus the number of the signal that ended it; `fenced` where its watchdog killed it
    because this node's lease had ended.
    """

    round: int
    status: int
    fenced: bool
    seconds: float
    rank: int = 0


def name_of(event: Event) -> str:
    """Return an event's name as it stands in logs: that of a `JoiningFailed` is `joining_failed`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in type(event).__name__)[1:]
