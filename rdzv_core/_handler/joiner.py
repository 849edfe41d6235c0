"""Joining a round: find this node in a roster and announce that; stand by at a full round; give up at the deadline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rdzv_core._errors import (
    RendezvousClosedError,
    RendezvousConfigurationError,
    RendezvousConnectionError,
    RendezvousGracefulExitError,
    RendezvousTimeoutError,
)
from rdzv_core._handler.announcer import Announcer
from rdzv_core._handler.channels import Channels
from rdzv_core._handler.diagnostics import (
    RunAt,
    closed_text,
    finished_text,
    standby_text,
    standby_timeout_text,
    terms_text,
    timeout_text,
    waiting_text,
)
from rdzv_core._handler.head import Head, RoundId, Seat, Terms
from rdzv_core._handler.leadership import Leadership
from rdzv_core._handler.lease_keeper import LeaseKeeper
from rdzv_core._handler.operations import Assignment, held_in
from rdzv_core._handler.rules import Rules
from rdzv_core._handler.settings import HandlerSettings
from rdzv_core._handler.states import Joining
from rdzv_core._handler.view import LocalView
from rdzv_core._handler.watcher import Watcher

WAITING_TOLD_EVERY = 30.0
"""In seconds: how often a node that waits for a round says who is there."""


@dataclass(frozen=True)
class Joiner:
    """Moves a `Joining` on by what is `known`. `tell` is called with a line for the operator of this node."""

    settings: HandlerSettings
    terms: Terms
    rules: Rules
    run: RunAt
    known: LocalView
    channels: Channels
    watcher: Watcher
    lease_keeper: LeaseKeeper
    announcer: Announcer
    leadership: Leadership
    tell: Callable[[str], None]

    def advance(self, join: Joining, now: float) -> Assignment | Exception | None:
        """Return the place in the round that has formed, or why none will; None while this node goes on waiting."""
        head = self.known.head
        if self.known.looked and head is not None:
            end = self._by_head(join, head)
            if end is not None:
                return end
        return self._by_time(join, now)

    def bears_with(self, join: Joining, error: Exception, now: float) -> bool:
        """Take note of an error that is not about the run's state; return whether the join goes on in spite of it.

        A store that is away is waited for until the deadline. Any other error of a node that was a member may be one
        of the moment, and is borne for a ttl.
        """
        join.last_error = error
        if join.trouble_since is None:
            join.trouble_since = now
        if isinstance(error, RendezvousConfigurationError):
            return False
        known_to_work = self.lease_keeper.was_member and now < join.trouble_since + self.settings.ttl
        return known_to_work or isinstance(error, RendezvousConnectionError)

    def _by_head(self, join: Joining, head: Head) -> Assignment | Exception | None:
        if head.closed:
            if join.waited and head.finished:
                return RendezvousGracefulExitError(finished_text(head))
            return RendezvousClosedError(closed_text(head))
        if head.terms is not None and head.terms != self.terms:
            return ValueError(terms_text(head.terms, self.terms))
        return self._claim(join, head)

    def _claim(self, join: Joining, head: Head) -> Assignment | None:
        """Find this node in a roster, have that announced, and only then return it."""
        join.waited = True
        if join.ask is None or join.ask.epoch != head.epoch:
            join.ask, join.claim = RoundId(head.epoch, head.round + 1), None
        own = self.lease_keeper.id
        rank = self.known.rank(own) if head.round >= join.ask.round else None
        if rank is None:
            return None
        join.claim = held_in(head, rank, own)
        return join.claim if self.lease_keeper.says(self.announcer.payload(join)) else None

    def _by_time(self, join: Joining, now: float) -> Exception | None:
        """At the deadline look once more, at a head read after it; then give up."""
        self._stand_by(join, now)
        if now < join.deadline:
            self.channels.wake(join.deadline)
            self._tell_of_waiting(join, now)
            return None
        if join.final_look_at is None:
            join.final_look_at = now
            self.watcher.final_look(self.lease_keeper.lease is not None, now)
        over_at = join.final_look_at + self.settings.heartbeat_timeout
        looking = self.watcher.looking or self.known.rank_is_open(self.lease_keeper.id)
        if now < over_at and (looking or join.claim is not None):
            self.channels.wake(over_at)
            return None
        error = RendezvousTimeoutError(self._timeout_text(join))
        error.__cause__ = join.last_error
        return error

    def _stand_by(self, join: Joining, now: float) -> None:
        head = self.known.head
        full = head is not None and join.trouble_since is None and self.rules.is_full(head)
        if join.stand_by(full and join.claim is None, self.settings, now):
            assert head is not None
            self.tell(standby_text(head))

    def _tell_of_waiting(self, join: Joining, now: float) -> None:
        """Report who is there now and then; while the store is away or a full round works, that is reported."""
        if join.standing_by or join.trouble_since is not None or join.claim is not None:
            join.told_at = now
        elif now >= join.told_at + WAITING_TOLD_EVERY:
            join.told_at = now
            there = self.leadership.last_situation()
            self.tell(waiting_text(self.settings, self.known, there, join.deadline - now))
        self.channels.wake(join.told_at + WAITING_TOLD_EVERY)

    def _timeout_text(self, join: Joining) -> str:
        own = Seat(self.lease_keeper.id, self.settings.node_id, self.settings.address)
        if join.standing_by and self.known.head is not None:
            return standby_timeout_text(self.settings, own, self.known.head)
        there = self.leadership.last_situation()
        return timeout_text(self.settings, own, self.known, there, join.last_error, self.run)
