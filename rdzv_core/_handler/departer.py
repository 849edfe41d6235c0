"""Departing: say goodbye, hold the lease until the head has that, and write it where it is this node's turn."""

from __future__ import annotations

import random
from dataclasses import dataclass

from rdzv_core._handler.announcer import Announcer
from rdzv_core._handler.channels import Channels
from rdzv_core._handler.departure_rules import DepartureRules
from rdzv_core._handler.lease_keeper import LeaseKeeper
from rdzv_core._handler.operations import DepartureDone
from rdzv_core._handler.settings import HandlerSettings
from rdzv_core._handler.states import Departing
from rdzv_core._handler.view import LocalView
from rdzv_core._handler.watcher import Watcher


@dataclass(frozen=True)
class Departer:
    """Moves a `Departing` on by what is `known`."""

    settings: HandlerSettings
    random: random.Random
    rules: DepartureRules
    known: LocalView
    channels: Channels
    watcher: Watcher
    lease_keeper: LeaseKeeper
    announcer: Announcer

    def advance(self, departing: Departing, now: float) -> DepartureDone | None:
        """Return how it ended; None while it goes on."""
        if self.lease_keeper.lease is None or now >= departing.deadline:
            return DepartureDone()
        self.channels.wake(departing.deadline)
        if not departing.kind or not self.lease_keeper.says(self.announcer.payload(departing)):
            return None
        if departing.said_at is None:
            self._note_said(departing, now)
        if not self.rules.is_over(departing, self.lease_keeper.id):
            return None
        return DepartureDone(self.rules.is_kept(self.lease_keeper.id))

    def writes_goodbyes(self, departing: Departing, now: float) -> bool:
        """Whether it is the turn of this node, which goes, to write all goodbyes that it sees."""
        turn = self.rules.turn_to_write(departing)
        if now < turn:
            self.channels.wake(turn)
        return now >= turn

    def is_last(self, departing: Departing) -> bool:
        """Whether this node has finished, and is known to be the last one: it closes the run."""
        return departing.kind == "done" and bool(self.rules.is_last(departing))

    def _note_said(self, departing: Departing, now: float) -> None:
        head = self.known.head
        staying = head.size - head.gone_ranks().bit_count() if head is not None else 0
        departing.said(staying, self.settings.keep_alive_interval, self.random, now)
        self.watcher.look_again()
