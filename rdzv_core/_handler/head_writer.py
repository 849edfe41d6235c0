"""What this node writes into the head now: for itself, as one who leads, or for those who go."""

from __future__ import annotations

import random
from dataclasses import dataclass

from rdzv_core._handler.departer import Departer
from rdzv_core._handler.head import Head, Terms
from rdzv_core._handler.leadership import Leadership
from rdzv_core._handler.lease_keeper import LeaseKeeper
from rdzv_core._handler.proposals import WaitUntil, Write
from rdzv_core._handler.rules import Rules
from rdzv_core._handler.settings import HandlerSettings
from rdzv_core._handler.states import Closing, Departing, Joining, State, Working
from rdzv_core._handler.view import LocalView


@dataclass(frozen=True)
class HeadWriter:
    """Decides by what is `known`; `random` makes ids, and spreads those who begin a run at once."""

    settings: HandlerSettings
    terms: Terms
    rules: Rules
    random: random.Random
    known: LocalView
    lease_keeper: LeaseKeeper
    leadership: Leadership
    departer: Departer

    def due(self, state: State, closing: Closing | None, now: float) -> Write | WaitUntil | None:
        """Return what to write, or what to wait for; None where nothing is to be written."""
        return self.own(state, closing, now) or self.led(state, now)

    def own(self, state: State, closing: Closing | None, now: float) -> Write | WaitUntil | None:
        """Return what any node writes: a run's first head, its terms, and its end."""
        head = self.known.head
        if closing is not None and not (head is not None and head.closed):
            begun = head or self._first_head()
            return Write("close", begun.changed(closed=True))
        if type(state) is Departing:
            closes = head is not None and not head.closed and self.departer.is_last(state)
            return self.leadership.close(now) if closes else None
        return self._terms(state, head, now) if type(state) is Joining else None

    def led(self, state: State, now: float) -> Write | WaitUntil | None:
        """Return what a node writes that leads, or departs in its turn; None without a lease that provably runs."""
        lease = self.lease_keeper.lease
        if lease is None or not lease.may_write(self.rules, now):
            return None
        if type(state) is Joining or type(state) is Working:
            return self.leadership.propose(self.new_id, now)
        if type(state) is not Departing or state.said_at is None or not self.departer.writes_goodbyes(state, now):
            return None
        return self.leadership.keep_goodbyes(state.said_at, now)

    def new_id(self) -> str:
        """Return an id for an epoch, or for a writer: 64 random bits."""
        return f"{self.random.getrandbits(64):016x}"

    def _terms(self, join: Joining, head: Head | None, now: float) -> Write | WaitUntil | None:
        """Begin an epoch, unless another node does so first."""
        if head is not None and head.terms is not None:
            join.begin_at = None
            return None
        turn = join.turn_to_begin(self.terms.min_nodes, self.random, now)
        if now < turn:
            return WaitUntil(turn)
        return Write("terms", head.changed(terms=self.terms) if head else self._first_head())

    def _first_head(self) -> Head:
        return Head(epoch=self.new_id(), terms=self.terms, run=self.settings.run)
