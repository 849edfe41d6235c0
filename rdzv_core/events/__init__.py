"""What happens to a node, told to whoever listens: structured, frozen, and never in the way of what happens.

A plugin hears them through the hook `rdzv_event` (see `rdzv_core.hooks`). Built in are listeners for the standard
logging, for a file of JSON lines and for OpenTelemetry: `rdzv run --events`, the environment variable RDZV_EVENTS, or
the handler's option `events` (see `docs/events.md`).
"""

from rdzv_core.events._bus import EventBus
from rdzv_core.events._listeners import VARIABLE, listeners
from rdzv_core.events._types import (
    Attempts,
    Changed,
    CommandEnded,
    CommandStarted,
    Departed,
    Departing,
    Entered,
    Event,
    Joined,
    Joining,
    JoiningFailed,
    LastCall,
    Phases,
    RegisterWritten,
    StoreBack,
    StoreFailing,
    name_of,
)

__all__ = [
    "VARIABLE",
    "Attempts",
    "Changed",
    "CommandEnded",
    "CommandStarted",
    "Departed",
    "Departing",
    "Entered",
    "Event",
    "EventBus",
    "Joined",
    "Joining",
    "JoiningFailed",
    "LastCall",
    "Phases",
    "RegisterWritten",
    "StoreBack",
    "StoreFailing",
    "listeners",
    "name_of",
]
