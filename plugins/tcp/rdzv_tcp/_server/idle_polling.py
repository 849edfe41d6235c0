"""Connections that seldom say anything: where there are many, they are read together. Runs on the server's loop alone.

To wake up for one small request costs the server some three times what the request does, since by then the processor
has forgotten everything about it. Thousands of idle nodes renew their leases at thousands of different moments: read a
few times a second instead, they share what a wake-up costs.
"""

from __future__ import annotations

import asyncio
import os
import selectors
from typing import Protocol

MANY = 500
"""How many calm connections there must be; with fewer, each is read as soon as it says something."""

LOOK_SECONDS = 0.05
"""How often they are read; this much later may what a calm connection asks be answered."""

SWEEP_SECONDS = 2.0
"""How often those are looked for who have become calm."""

CALM_REQUESTS = 4
"""A connection that was heard no more often than this between two sweeps is calm."""

BURST_TURNS = 2
"""A connection that is heard twice within so many looks is busy, and read at once from then on."""


class Polled(Protocol):
    """A connection that is read by the loop, or by `IdlePolling`."""

    transport: asyncio.Transport
    heard: int
    """How often something was received."""

    @property
    def descriptor(self) -> int:
        """The descriptor of its socket."""

    @property
    def blocked(self) -> bool:
        """Whether nothing is to be read from it for now."""

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was received into the buffer that all connections share."""


class IdlePolling:
    """Takes calm connections off the loop's own watch, and puts back who becomes lively. Idle until there are many."""

    def __init__(self, scratch: memoryview) -> None:
        self._scratch = scratch
        self._lively: dict[Polled, int] = {}
        self._calm: dict[Polled, int] = {}
        self._turn = 0
        self._selector: selectors.BaseSelector | None = None
        self._sweeping: asyncio.TimerHandle | None = None
        self._looking: asyncio.TimerHandle | None = None

    @property
    def calm(self) -> list[Polled]:
        """The connections that are read together."""
        return list(self._calm)

    def join(self, connection: Polled) -> None:
        """Look after a connection from now on; it is not to be paused."""
        self._lively[connection] = connection.heard
        if self._sweeping is None and len(self._lively) >= MANY:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def leave(self, connection: Polled) -> None:
        """Look after a connection no more."""
        self._lively.pop(connection, None)
        if self._calm.pop(connection, None) is not None and self._selector is not None:
            self._selector.unregister(connection.descriptor)

    def rouse(self, connection: Polled) -> None:
        """Have a connection read by the loop again, if it is not."""
        if connection in self._calm:
            self.leave(connection)
            connection.transport.resume_reading()
            self.join(connection)

    def close(self) -> None:
        """Look after nobody any more."""
        for timer in (self._sweeping, self._looking):
            if timer is not None:
                timer.cancel()
        self._sweeping = self._looking = None
        if self._selector is not None:
            self._selector.close()
            self._selector = None
        self._lively.clear()
        self._calm.clear()

    def _sweep(self) -> None:
        self._sweeping = None
        calm = [connection for connection, heard in self._lively.items() if connection.heard - heard <= CALM_REQUESTS]
        together = len(self._calm) + len(calm)
        if together >= MANY:
            for connection in calm:
                if not connection.blocked:
                    self._calm_down(connection)
        elif together < MANY * 3 // 4:  # not at once: a few that come and go would set all the others in motion
            for connection in list(self._calm):
                self.rouse(connection)
        for connection in self._lively:
            self._lively[connection] = connection.heard
        if len(self._lively) + len(self._calm) >= MANY // 2 and self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _calm_down(self, connection: Polled) -> None:
        if self._selector is None:
            self._selector = selectors.DefaultSelector()
        connection.transport.pause_reading()
        self._selector.register(connection.descriptor, selectors.EVENT_READ, connection)
        del self._lively[connection]
        self._calm[connection] = self._turn - BURST_TURNS - 1
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._looking = None
        if not self._calm or self._selector is None:
            return
        # First of all, so that a failure below does not end it.
        self._looking = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)
        self._turn += 1
        for key, _ in self._selector.select(0):
            connection: Polled = key.data
            if connection not in self._calm:  # it left while others were read
                continue
            try:
                count = os.readv(key.fd, [self._scratch])
            except OSError:
                count = 0
            if count:
                try:
                    connection.buffer_updated(count)
                except BaseException:
                    connection.transport.abort()
                    raise
            # Of the end of a connection the loop finds out by itself.
            if not count or self._turn - self._calm.get(connection, self._turn) <= BURST_TURNS:
                self.rouse(connection)
            else:
                self._calm[connection] = self._turn
