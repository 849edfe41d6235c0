"""Connections that seldom say anything: where there are many, they are read together. Runs on the server's loop alone.

To wake up for one small request costs the server some three times what the request does, since by then the processor
has forgotten everything about it. Thousands of idle nodes renew their leases at thousands of different moments: read a
few times a second instead, they share what a wake-up costs.
"""

from __future__ import annotations

import asyncio
import os
import selectors
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rdzv_tcp._server.connection import Peer

CROWD = 500
"""How many calm connections there must be; with fewer, each is read as soon as it says something."""

LOOK_SECONDS = 0.05
"""How often they are read; this much later may what a calm connection asks be answered."""

SWEEP_SECONDS = 2.0
"""How often those are looked for who have become calm."""

CALM_REQUESTS = 4
"""Who was heard no more often than this between two sweeps is calm."""

BURST_TURNS = 2
"""Who is heard twice within so many looks has something to talk about, and is read at once from then on."""


class IdlePolling:
    """Takes calm connections off the loop's own watch, and puts back who becomes lively. Idle until there are many."""

    def __init__(self, scratch: memoryview) -> None:
        self._scratch = scratch
        self._lively: dict[Peer, int] = {}
        self._calm: dict[Peer, int] = {}
        self._turn = 0
        self._selector: selectors.BaseSelector | None = None
        self._sweeping: asyncio.TimerHandle | None = None
        self._looking: asyncio.TimerHandle | None = None

    def join(self, peer: Peer) -> None:
        """Look after a connection from now on; it is not to be paused."""
        self._lively[peer] = peer.heard
        if self._sweeping is None and len(self._lively) >= CROWD:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def leave(self, peer: Peer) -> None:
        """Look after a connection no more."""
        self._lively.pop(peer, None)
        if self._calm.pop(peer, None) is not None and self._selector is not None:
            self._selector.unregister(peer.descriptor)

    def rouse(self, peer: Peer) -> None:
        """Have a connection read by the loop again, if it is not."""
        if peer in self._calm:
            self.leave(peer)
            peer.transport.resume_reading()
            self.join(peer)

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
        calm = [peer for peer, heard in self._lively.items() if peer.heard - heard <= CALM_REQUESTS]
        together = len(self._calm) + len(calm)
        if together >= CROWD:
            for peer in calm:
                if not peer.blocked:
                    self._calm_down(peer)
        elif together < CROWD * 3 // 4:  # not at once, lest a few who come and go set all the others in motion
            for peer in list(self._calm):
                self.rouse(peer)
        for peer in self._lively:
            self._lively[peer] = peer.heard
        if len(self._lively) + len(self._calm) >= CROWD // 2 and self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _calm_down(self, peer: Peer) -> None:
        if self._selector is None:
            self._selector = selectors.DefaultSelector()
        peer.transport.pause_reading()
        self._selector.register(peer.descriptor, selectors.EVENT_READ, peer)
        del self._lively[peer]
        self._calm[peer] = self._turn - BURST_TURNS - 1
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
            peer: Peer = key.data
            if peer not in self._calm:  # it left while others were read
                continue
            try:
                count = os.readv(key.fd, [self._scratch])
            except OSError:
                count = 0
            if count:
                try:
                    peer.buffer_updated(count)
                except BaseException:
                    peer.transport.abort()
                    raise
            # Of the end of a connection the loop finds out by itself.
            if not count or self._turn - self._calm.get(peer, self._turn) <= BURST_TURNS:
                self.rouse(peer)
            else:
                self._calm[peer] = self._turn
