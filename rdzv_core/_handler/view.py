"""What a node knows of its run: the last head, the last reading of the memberships, and since when."""

from __future__ import annotations

from dataclasses import dataclass, field

from rdzv_core._errors import RendezvousStateError
from rdzv_core._handler.head import DepartureOutcome, Head, Seat, decode_announcement, decode_head
from rdzv_core._handler.operations import ReadMembers
from rdzv_core._handler.situation import Situation
from rdzv_core.abc import MembersView, StateSnapshot, Token

WATCHERS = 3
"""The first member and two deputies watch the memberships; everybody else watches the head alone."""


@dataclass
class LocalView:
    """Plain facts, all by this node's own clock.

    Those who watch fetch a roster that the head only names; the others `found` their rank in
    it: the roster's digest, their member id, the rank (None: they are not in it). `remembered` is the lost epoch whose
    last roster is known, `watched_since` when this node first saw all members since it began to watch.
    """

    looked: bool = False
    learned_at: float = 0.0
    unreadable: str = ""
    head: Head | None = None
    token: Token | None = None
    view: MembersView | None = None
    view_based_on: Token | None = None
    view_started: float = 0.0
    place: int = WATCHERS
    place_started: float = float("-inf")
    watched_since: float = float("inf")
    remembered: str = ""
    last_call_since: tuple[str, int, float] | None = None
    pending_since: tuple[str, int, float] | None = None
    incarnation_since: tuple[str, float] | None = None
    gone_in: tuple[str, int] | None = None
    gone_as: dict[str, DepartureOutcome] = field(default_factory=dict)
    gone_since: dict[str, float] = field(default_factory=dict)
    at_work: frozenset[str] = frozenset()
    vanished_since: dict[str, float] = field(default_factory=dict)
    rosters: dict[str, tuple[Seat, ...]] = field(default_factory=dict)
    found: tuple[str, str, int | None] = ("", "", None)

    def learn_head(self, snapshot: StateSnapshot | tuple[bytes, Token] | None, started: float, now: float) -> None:
        """Take in a reading of the register that began at `started`; raises `RendezvousStateError`.

        An older revision changes nothing, unless it was read later: then the store itself went back. Of two epochs, or
        of a head and no head, nothing tells which came first; an answer that was asked for before the last one came is
        only a reason to look again.
        """
        try:
            head = None if snapshot is None else decode_head(snapshot[0])
        except RendezvousStateError as error:
            self.unreadable = str(error)
            raise
        if started < self.learned_at and self._is_of_another_epoch(head):
            self.looked = False
            return
        if snapshot is None or head is None:
            self._keep_last_roster("")
            self.looked, self.learned_at, self.head, self.token, self.unreadable = True, now, None, None, ""
            return
        known = self.head
        older = known is not None and known.epoch == head.epoch and head.revision < known.revision
        if older and started < self.learned_at:
            return
        self._keep_last_roster(head.epoch)
        if head.digest and head.digest in self.rosters:
            head = head.with_roster(self.rosters[head.digest])
        self.looked, self.learned_at, self.head, self.token, self.unreadable = True, now, head, snapshot[1], ""
        self.last_call_since = _since(
            self.last_call_since, head, head.last_call_number, head.last_call_round == head.round + 1, now
        )
        self.pending_since = _since(self.pending_since, head, head.round, bool(head.pending), now)

    def _is_of_another_epoch(self, head: Head | None) -> bool:
        return ("" if head is None else head.epoch) != ("" if self.head is None else self.head.epoch)

    def _keep_last_roster(self, epoch: str) -> None:
        """Remember who was in a register that was lost: they may still be at work."""
        if self.head is not None and self.head.epoch != epoch:
            self.at_work |= {seat.member for seat in self.head.roster}
            self.remembered = "" if self.missing_roster else self.head.epoch

    def learn_roster(self, digest: str, roster: tuple[Seat, ...]) -> None:
        """Take in a fetched roster; only the last is kept."""
        self.rosters = {digest: roster}
        if self.head is not None and self.head.digest == digest:
            self.head = self.head.with_roster(roster)

    def learn_members(self, view: MembersView, operation: ReadMembers, own: str, now: float) -> None:
        """Take in a reading of the memberships."""
        if self.incarnation_since is None or self.incarnation_since[0] != view.incarnation:
            self.incarnation_since = (view.incarnation, now)
        ahead = [member for member in view.members[: _index(view, own)] if not _said_bye(member.payload)]
        self.place, self.place_started = len(ahead), operation.started
        if not self.watching:
            self.watched_since = float("inf")
        if operation.limit is None:
            self.watched_since = min(self.watched_since, now)
            self._note_vanished(view, now)
            self.view, self.view_based_on, self.view_started = view, operation.based_on, operation.started

    def forget_members(self) -> None:
        """Know nothing of the memberships: this node has none of its own any more."""
        self.view, self.watched_since, self.place = None, float("inf"), WATCHERS

    def forget_hidden_place(self, view: MembersView, limit: int, own: str) -> bool:
        """Trust no place that a reading of the first `limit` gave, where goodbyes filled it; return whether so."""
        if self.place >= WATCHERS or len(view.members) < limit or _index(view, own) < limit:
            return False
        self.place, self.place_started = WATCHERS, float("-inf")
        return True

    def _note_vanished(self, view: MembersView, now: float) -> None:
        """Remember who was seen at work and has vanished without a goodbye: a register that was lost cannot tell."""
        says = {member.id: decode_announcement(member.payload) for member in view.members}
        for member in self.at_work - says.keys():
            self.vanished_since.setdefault(member, now)
        if self.head is not None and self.head.terms is not None:
            fenced = now - self.head.terms.fence_delay
            self.vanished_since = {one: since for one, since in self.vanished_since.items() if since > fenced}
        self.at_work = frozenset(member for member, said in says.items() if said is None or (said.at and not said.bye))

    def note_gone(self, situation: Situation, now: float) -> None:
        """Start a timer for each member of the roster that is seen gone for the first time in this round.

        A member that was dropped from an earlier round may have worked again since. One that is counted as lost after
        it was counted as gone in another way gets a new timer: the fence delay runs from then.
        """
        stage = None if self.head is None else (self.head.epoch, self.head.round)
        same = self.gone_as if stage == self.gone_in else {}
        self.gone_since = {
            member: self.gone_since[member] if same.get(member) == how else now
            for member, how in situation.departed.items()
        }
        self.gone_in, self.gone_as = stage, dict(situation.departed)

    def rank(self, member: str) -> int | None:
        """Return a member's rank in the roster of the head; None if it has none there, or that is not known yet."""
        head = self.head
        if head is None:
            return None
        if head.digest and not head.roster:
            return self.found[2] if self.found[:2] == (head.digest, member) else None
        return next((rank for rank, seat in enumerate(head.roster) if seat.member == member), None)

    def rank_is_open(self, member: str) -> bool:
        """Whether `rank` does not know yet: the roster, or this member's page of it, has still to be read."""
        return bool(member and self.missing_roster) and self.found[:2] != (self.missing_roster, member)

    @property
    def missing_roster(self) -> str:
        """The digest of a roster that has still to be fetched."""
        return self.head.digest if self.head is not None and self.head.digest and not self.head.roster else ""

    @property
    def whole_head(self) -> Head | None:
        """The head, if its roster is known too."""
        return None if self.missing_roster else self.head

    @property
    def watching(self) -> bool:
        """Whether this node is among those who watch the memberships."""
        return self.place < WATCHERS

    @property
    def fresh_view(self) -> MembersView | None:
        """A reading of the memberships that began after the head's token was read; None if there is none."""
        return self.view if self.view is not None and self.view_based_on == self.token else None

    def settled(self, now: float, ttl: float) -> bool:
        """Whether the memberships' incarnation has been known for a ttl."""
        return self.incarnation_since is not None and now >= self.incarnation_since[1] + ttl


def _since(
    before: tuple[str, int, float] | None, head: Head, which: int, holds: bool, now: float
) -> tuple[str, int, float] | None:
    """Keep since when something holds: `which` tells it from the last of its kind in the epoch."""
    if not holds:
        return None
    same = before is not None and before[:2] == (head.epoch, which)
    return before if same else (head.epoch, which, now)


def _index(view: MembersView, own: str) -> int:
    return next((place for place, member in enumerate(view.members) if member.id == own), len(view.members))


def _said_bye(payload: bytes) -> bool:
    says = decode_announcement(payload)
    return says is not None and bool(says.bye)
