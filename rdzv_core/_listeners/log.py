"""Events in the standard logging."""

from __future__ import annotations

import logging

from rdzv_core._listeners.record import attributes
from rdzv_core.events import Event, JoiningFailed, StoreFailing, name_of
from rdzv_core.hooks import hookimpl

log = logging.getLogger("rdzv.events")


class LogListener:
    """Writes events to the logger `rdzv.events`: failures as warnings, everything else as information."""

    @hookimpl
    def rdzv_event(self, event: Event) -> None:
        """Log the event's name, then `key=value` for what it says."""
        level = logging.WARNING if isinstance(event, (JoiningFailed, StoreFailing)) else logging.INFO
        if log.isEnabledFor(level):
            said = " ".join(f"{key}={value!r}" for key, value in attributes(event).items())
            log.log(level, "%s %s", name_of(event), said)

    def close(self) -> None:
        """Hold nothing."""
