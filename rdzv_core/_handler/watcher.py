"""Keeping what a node knows up to date: the head for everybody, the memberships for those who watch them."""

from __future__ import annotations

import random
from typing import Any

from rdzv_core._handler import operations
from rdzv_core._handler.channels import Channels
from rdzv_core._handler.operations import Channel, Operation
from rdzv_core._handler.view import WATCHERS, LocalView
from rdzv_core.abc import MembersView

AGED_BY_OBSERVERS = (0.3, 0.45)
AGED_BY_THE_STORE = (1.0, 1.5)
"""How often a node that does not watch looks for its place, from and to in ttls.

Where leases are aged by observers, one who looks more rarely than twice a ttl ages nobody: if the three who watch
crash, nobody would ever notice. Where the store ages them, it only has to be found out who is next.
"""

_MORE = 8
"""If goodbyes hide who is ahead of a node, it looks at this many times as many members."""

_GAP_PER_MEMBER = 60e-6
_LONGEST_GAP = 0.25
"""While many come one after the other, who leads reads them all this much later than the last time, in seconds for
each that was there; a deputy in place k does it 1 + 4k times as rarely."""

_SHORTEST_WITHOUT_A_LOOK, _LOOKLESS_FOR_EACH, _LONGEST_WITHOUT_A_LOOK = 0.2, 1e-3, 1.0
"""Who enters behind others looks for its place once or twice so much later, in seconds: all may have said goodbye.
So does everybody when as many members have gone as watch, since it last looked: they may have been those."""


class Watcher:
    """Starts reads and waits, and takes their answers into `known`; times in seconds."""

    def __init__(
        self,
        known: LocalView,
        channels: Channels,
        ttl: float,
        chance: random.Random,
        place_checks: tuple[float, float],
    ) -> None:
        self._known, self._channels, self._ttl, self._random = known, channels, ttl, chance
        self._place_checks = place_checks
        self._stale = False
        self._place_check_at = self._crowd_until = 0.0
        self._place_limit = WATCHERS
        self._gone_at_look = 0

    def look_again(self) -> None:
        """Have the memberships read anew, whatever is known."""
        self._stale, self._place_check_at = True, 0.0

    def entered(self, ahead: int | None, now: float) -> None:
        """Find out the place of a new membership: soon only, where others are ahead who may form the round without."""
        self._place_check_at = 0.0
        if ahead is not None and ahead >= WATCHERS:
            self._place_check_at = self._soon(ahead, now)

    def seated(self, now: float) -> None:
        """A round has just formed: so somebody leads, and who that is need not be found out for a while."""
        self._place_check_at = max(self._place_check_at, self._next_place_check(now))

    def forget_members(self) -> None:
        """Know nothing of the memberships; answers that are under way are discarded."""
        self._channels.give_up(Channel.MEMBERS_READ, Channel.MEMBERS_WAIT)
        self._known.view, self._known.watched_since = None, float("inf")
        self._known.place = WATCHERS

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
                self._stale = self._stale or bool(result)
        self._mind_departures(now)

    def plan_head(self, wait: bool, now: float) -> None:
        """Read the head where a fresh look is due, and wait for its next change where `wait`."""
        known, channels = self._known, self._channels
        if not known.looked and channels.ready(Channel.HEAD_READ, now):
            channels.start(operations.ReadHead(now))
        if wait and known.looked and channels.ready(Channel.HEAD_WAIT, now):
            channels.start(operations.WaitHead(now, known.token, 2 * self._ttl))

    def names(self, digest: str) -> bool:
        """Whether the head names this roster."""
        return self._known.head is not None and self._known.head.digest == digest

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
        known, channels = self._known, self._channels
        due = self._stale or known.fresh_view is None if whole else now >= self._place_check_at
        if due and whole and known.view is not None and now < self._crowd_until:
            channels.wake(self._crowd_until)
        elif due and channels.ready(Channel.MEMBERS_READ, now):
            self._stale = False
            channels.start(operations.ReadMembers(now, None if whole else self._place_limit, known.token))
        elif not whole and not due:
            channels.wake(self._place_check_at)
        reading = self._stale or channels.under_way(Channel.MEMBERS_READ) is not None
        if whole and known.view is not None and not reading and channels.ready(Channel.MEMBERS_WAIT, now):
            channels.start(operations.WaitMembers(now, known.view.version, self._ttl / 3))

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
        self._place_check_at = self._next_place_check(now)
        if operation.limit is None:
            self._crowd_until = now + min(_LONGEST_GAP, len(view.members) * _GAP_PER_MEMBER) * (
                1 + 4 * min(known.place, WATCHERS)
            )
        elif known.forget_hidden_place(view, operation.limit, own):
            self._place_limit, self._place_check_at = _MORE * operation.limit, now
            return
        self._place_limit = WATCHERS

    def _mind_departures(self, now: float) -> None:
        """Look for this node's place where all who watch may have gone, but not for each who goes."""
        head = self._known.head
        gone = head.gone_ranks().bit_count() if head is not None and head.departed else 0
        self._gone_at_look = min(self._gone_at_look, gone)
        if head is not None and gone - self._gone_at_look >= WATCHERS and not self._known.watching:
            at = max(self._soon(head.size, now), self._known.place_started + self._ttl / 3)
            self._place_check_at, self._gone_at_look = min(self._place_check_at, at), gone

    def _soon(self, nodes: int, now: float) -> float:
        """Give a moment that is spread for so many nodes."""
        gap = min(_LONGEST_WITHOUT_A_LOOK, _SHORTEST_WITHOUT_A_LOOK + nodes * _LOOKLESS_FOR_EACH)
        return now + gap * self._random.uniform(1, 2)

    def _next_place_check(self, now: float) -> float:
        return now + self._ttl * self._random.uniform(*self._place_checks)
