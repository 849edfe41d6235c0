"""Keeping what a node knows up to date: the head for everybody, the memberships for those who watch them."""

from __future__ import annotations

import random
from typing import Any

from rdzv_core._handler import operations
from rdzv_core._handler.channels import Channels
from rdzv_core._handler.operations import Channel, Operation
from rdzv_core._handler.schedules import FullReads, PlaceChecks
from rdzv_core._handler.view import LocalView
from rdzv_core.abc import MembersView

AGED_BY_OBSERVERS = (0.3, 0.45)
AGED_BY_THE_STORE = (1.0, 1.5)
"""How often a node that does not watch looks for its place, from and to in ttls.

Where leases are aged by observers, a node that looks more rarely than twice a ttl ages nobody: if the three who watch
crash, nobody would ever notice. Where the store ages them, it only has to be found out who is next.
"""


class Watcher:
    """Starts reads and waits, and takes their answers into `known`; times in seconds."""

    def __init__(
        self,
        known: LocalView,
        channels: Channels,
        ttl: float,
        rng: random.Random,
        place_checks: tuple[float, float],
    ) -> None:
        self._known, self._channels, self._ttl = known, channels, ttl
        self._place_checks = PlaceChecks(ttl, place_checks, rng)
        self._full_reads = FullReads(known)

    def look_again(self) -> None:
        """Have the memberships read again, whatever is known."""
        self._full_reads.stale = True
        self._place_checks.hurry()

    def entered(self, ahead: int | None, now: float) -> None:
        """Take note of a new membership, behind so many others (None: not known)."""
        self._place_checks.entered(ahead, now)

    def seated(self, now: float) -> None:
        """Take note that a round has formed with this node in it."""
        self._place_checks.seated(now)

    def forget_members(self) -> None:
        """Know nothing of the memberships; answers that are under way are discarded."""
        self._channels.give_up(Channel.MEMBERS_READ, Channel.MEMBERS_WAIT)
        self._known.forget_members()

    def take_in(self, operation: Operation, result: Any, own: str, now: float) -> None:
        """Take in an answer; raises `RendezvousStateError` for a head that cannot be read."""
        known = self._known
        match operation:
            case operations.ReadHead():
                known.learn_head(result, operation.started, now)
            case operations.WaitHead():
                known.learn_head(result[1], operation.started, now)
            case operations.WriteHead():
                known.learn_head(None if result is None else (result[0], result[1]), operation.started, now)
            case operations.FetchRoster():
                known.learn_roster(operation.digest, result)
            case operations.FindRank():
                known.found = (operation.digest, operation.member, result)
            case operations.ReadMembers():
                self._learn_members(operation, result, own, now)
            case operations.WaitMembers():
                self._full_reads.stale = self._full_reads.stale or bool(result)
        self._note_departures(now)

    def plan_head(self, wait: bool, now: float) -> None:
        """Read the head where a fresh look is due, and wait for its next change where `wait`."""
        known, channels = self._known, self._channels
        if not known.looked and channels.ready(Channel.HEAD_READ, now):
            channels.start(operations.ReadHead(now))
        if wait and known.looked and channels.ready(Channel.HEAD_WAIT, now):
            channels.start(operations.WaitHead(now, known.token, 2 * self._ttl))

    def is_outdated(self, operation: Operation) -> bool:
        """Whether it looks into a roster that the head no longer names."""
        if not isinstance(operation, operations.FetchRoster | operations.FindRank):
            return False
        return self._known.head is None or self._known.head.digest != operation.digest

    def plan_roster(self, own: str, whole: bool, now: float) -> None:
        """Fetch a roster that the head names where `whole`; else look up this node's rank there, to claim it."""
        known, channels = self._known, self._channels
        head, digest = known.head, known.missing_roster
        if head is None or not digest or not own or not channels.ready(Channel.ROSTER, now):
            return
        if whole:
            channels.start(operations.FetchRoster(now, digest))
        elif known.found[:2] != (digest, own):
            channels.start(operations.FindRank(now, digest, head.pages, own))

    def plan_members(self, whole: bool, now: float) -> None:
        """Read the memberships where they may have changed: all of them where `whole`, else the first few."""
        if whole:
            self._plan_full_read(now)
        elif not self._place_checks.due(now):
            self._channels.wake(self._place_checks.at)
        elif self._channels.ready(Channel.MEMBERS_READ, now):
            self._read_members(self._place_checks.limit, now)

    def _plan_full_read(self, now: float) -> None:
        known, channels, reads = self._known, self._channels, self._full_reads
        if reads.due(now):
            if channels.ready(Channel.MEMBERS_READ, now):
                self._read_members(None, now)
        elif reads.wanted:
            channels.wake(reads.at)
        reading = reads.stale or channels.under_way(Channel.MEMBERS_READ) is not None
        if known.view is not None and not reading and channels.ready(Channel.MEMBERS_WAIT, now):
            channels.start(operations.WaitMembers(now, known.view.version, self._ttl / 3))

    def _read_members(self, limit: int | None, now: float) -> None:
        if limit is None:
            self._full_reads.stale = False
        self._channels.start(operations.ReadMembers(now, limit, self._known.token))

    def final_look(self, member: bool, now: float) -> None:
        """Read everything once more, in reads that begin now."""
        self._channels.give_up(Channel.HEAD_READ, Channel.MEMBERS_READ)
        self._channels.start(operations.ReadHead(now))
        if member:
            self._channels.start(operations.ReadMembers(now, based_on=self._known.token))

    @property
    def looking(self) -> bool:
        """Whether a read is under way."""
        return any(self._channels.under_way(channel) for channel in (Channel.HEAD_READ, Channel.MEMBERS_READ))

    def _learn_members(self, operation: operations.ReadMembers, view: MembersView, own: str, now: float) -> None:
        known = self._known
        known.learn_members(view, operation, own, now)
        self._place_checks.looked(now)
        if operation.limit is None:
            self._full_reads.came(len(view.members), known.place, now)
        elif known.forget_hidden_place(view, operation.limit, own):
            self._place_checks.look_at_more(operation.limit, now)

    def _note_departures(self, now: float) -> None:
        head = self._known.head
        gone = head.gone_ranks().bit_count() if head is not None and head.departed else 0
        size = head.size if head is not None else 0
        not_before = self._known.place_started + self._ttl / 3
        self._place_checks.note_departures(gone, size, self._known.watching, not_before, now)
