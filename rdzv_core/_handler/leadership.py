"""Leading a run, as the first member does, and its deputies in their turn."""

from __future__ import annotations

from collections.abc import Callable

from rdzv_core._handler.channels import Channels
from rdzv_core._handler.head import Head
from rdzv_core._handler.proposals import FormRoster, Proposer, Purpose, WaitUntil, Write
from rdzv_core._handler.settings import HandlerSettings
from rdzv_core._handler.situation import Situation
from rdzv_core._handler.view import LocalView
from rdzv_core.abc import MembersView


class Leadership:
    """Has a `proposer` decide by what is known, and keeps to this node's turn: the deputy in place k waits k delays."""

    def __init__(self, known: LocalView, channels: Channels, proposer: Proposer, settings: HandlerSettings) -> None:
        self.proposer = proposer
        self._known, self._channels, self._settings = known, channels, settings
        self._assessed: tuple[tuple[object, ...], Situation] | None = None
        self._proposed: tuple[object, Purpose, float] | None = None

    def propose(self, new_id: Callable[[], str], now: float) -> Write | WaitUntil | None:
        """Return what to write now, or what to wait for; None where this node does not lead, or nothing is due."""
        known = self._known
        head, view = known.whole_head, known.fresh_view
        if head is None or view is None or not known.watching:
            return None
        situation = self._assess(head, view, now)
        if situation.maybe_alive and known.incarnation_since is not None:
            self._channels.wake(known.incarnation_since[1] + self._settings.ttl)
        known.note_gone(situation, now)
        proposal = self.proposer.propose(known, head, situation, now)
        if proposal is None or isinstance(proposal, WaitUntil):
            return proposal
        turn = self._turn(proposal.purpose, now)
        if now < turn:
            return WaitUntil(turn)
        if isinstance(proposal, FormRoster):
            return self.proposer.roster(known, head, situation, new_id())
        return proposal

    def _turn(self, purpose: Purpose, now: float) -> float:
        """Return when it is this node's turn to write what has been due since it was first proposed on this head."""
        since = (self._known.token, purpose)
        if self._proposed is None or self._proposed[:2] != since:
            self._proposed = (*since, now)
        return self._proposed[2] + self._known.place * self._settings.deputy_delay

    def keep_goodbyes(self, said_at: float, now: float) -> Write | WaitUntil | None:
        """Return what a node that goes writes, so that the head knows who went, and how.

        An earlier reading than its own goodbye, `said_at`, would show itself at work.
        """
        head, view = self._known.whole_head, self._known.fresh_view
        if head is None or view is None or self._known.view_started < said_at:
            return None
        return self.proposer.announce(self._known, head, self._assess(head, view, now), now)

    def close(self, now: float) -> Write | None:
        """Return the end of the run, as the last one to go writes it."""
        head, view = self._known.whole_head, self._known.fresh_view
        return None if head is None or view is None else self.proposer.close(head, self._assess(head, view, now))

    def last_situation(self) -> Situation | None:
        """Return what was last known, for the text of an error: it decides nothing."""
        head, view = self._known.whole_head, self._known.view
        return None if head is None or view is None else self.proposer.rules.assess(head, view, settled=False)

    def _assess(self, head: Head, view: MembersView, now: float) -> Situation:
        """Assess what was read, once for each reading."""
        read = (head, view, self._known.settled(now, self._settings.ttl))
        if self._assessed is None or any(new is not old for new, old in zip(read, self._assessed[0], strict=True)):
            self._assessed = (read, self.proposer.rules.assess(*read))
        return self._assessed[1]
