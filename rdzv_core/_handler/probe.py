"""What a test may reach of a handler that is not part of its interface. Nothing else imports this."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from rdzv_core._handler.engine import Engine
from rdzv_core._handler.handler import RendezvousHandler
from rdzv_core._handler.operations import Channel


def engine_of(handler: RendezvousHandler) -> Engine:
    """Return what a handler takes part with; its store has to have been reached."""
    engine = handler._engine
    assert engine is not None, "this handler has not reached its store yet"
    return engine


def locks_of(handler: RendezvousHandler) -> list[AbstractContextManager[Any]]:
    """Return all locks that a handler takes, as a thread may hold them when the process forks."""
    return [*engine_of(handler).driver.locks, handler._starting, handler._bus._lock]


def end_membership(handler: RendezvousHandler, why: str) -> None:
    """Make the node find its membership over, as after a thaw, with no news of the head on its way."""
    driver = engine_of(handler).driver

    def end(_now: float) -> None:
        machine = driver.machine
        machine.channels.give_up(Channel.HEAD_WAIT)  # its answer is discarded
        machine.end_membership(why)

    driver.put(end)
