"""The handler's state machine: events and the time in, operations and outcomes out. No I/O, no threads, no clock.

It is level-triggered: after every event `_plan` holds what is known against what is wanted and starts whatever is
missing. A lost answer, a refused write or a restart of the store needs no case of its own: what was read last decides.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from rdzv_core._errors import (
    RendezvousClosedError,
    RendezvousConfigurationError,
    RendezvousConnectionError,
    RendezvousGracefulExitError,
    RendezvousStateError,
    RendezvousTimeoutError,
)
from rdzv_core._handler import operations
from rdzv_core._handler.change import change_of
from rdzv_core._handler.channels import Channels
from rdzv_core._handler.departure import DepartureRules
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
from rdzv_core._handler.head import (
    INLINE_ROSTER_BYTES,
    Announcement,
    DepartureKind,
    Head,
    RoundId,
    Seat,
    Terms,
    encode_announcement,
)
from rdzv_core._handler.info import Change, ChangeReason
from rdzv_core._handler.intents import Closing, Departure, Intent, JoinAttempt
from rdzv_core._handler.leadership import Leadership
from rdzv_core._handler.lease_keeper import LeaseIntent, LeaseKeeper
from rdzv_core._handler.operations import Assignment, Channel, Operation, Outcome, held_in
from rdzv_core._handler.outage import Outage
from rdzv_core._handler.proposals import Proposer, WaitUntil, Write
from rdzv_core._handler.rank_order import RankOrder, natural_order
from rdzv_core._handler.rules import Rules
from rdzv_core._handler.settings import HandlerSettings
from rdzv_core._handler.view import LocalView
from rdzv_core._handler.watcher import AGED_BY_OBSERVERS, Watcher

WAITING_TOLD_EVERY = 30.0
"""In seconds: how often a node that waits for a round says who is there."""


@dataclass
class Machine:
    """One node's part of the protocol. Not thread-safe: whoever drives it hands it one event at a time.

    Every method takes the present time `now` (seconds on a clock that never jumps) and gives nothing back; the driver
    then takes `operations` to start and `outcomes` to report, and calls `tick` again by `wake_at`.
    """

    settings: HandlerSettings
    rules: Rules = field(default_factory=Rules)
    order: RankOrder = natural_order
    random: random.Random = field(default_factory=random.SystemRandom)
    place_checks: tuple[float, float] = AGED_BY_OBSERVERS
    inline_roster_bytes: int = INLINE_ROSTER_BYTES
    run: RunAt = RunAt()  # noqa: RUF009 - it is immutable

    def __post_init__(self) -> None:
        self.intent = Intent.IDLE
        self.held: Assignment | None = None
        self.fenced: Change | None = None
        self.outcomes: list[Outcome] = []
        self.known = LocalView()
        self.channels = Channels(self.random, self.settings.keep_alive_interval / 3)
        self.outage = Outage(lambda text: self.outcomes.append(operations.Notice(text)), self.run.endpoint)
        self.watcher = Watcher(self.known, self.channels, self.settings.ttl, self.random, self.place_checks)
        self.lease_keeper = LeaseKeeper(self.settings, self.channels)
        leader = Proposer(self.rules, self.order, self.settings.evict_after, self.inline_roster_bytes)
        self._departure_rules = DepartureRules(self.known, self.rules, self.settings.deputy_delay)
        self._leadership = Leadership(self.known, self.channels, leader, self.settings)
        self._join: JoinAttempt | None = None
        self._departure: Departure | None = None
        self._closing: Closing | None = None
        self.worked_in = ""

    @property
    def wake_at(self) -> float:
        """When the next tick is due, if nothing else happens before."""
        return self.channels.wake_at

    @property
    def closing(self) -> bool:
        """Whether this node has been asked to close the run, and has not yet done so or given up."""
        return self._closing is not None

    def take_operations(self) -> list[Operation]:
        """Give what is to be started, once."""
        operations, self.channels.operations = self.channels.operations, []
        return operations

    def take_outcomes(self) -> list[Outcome]:
        """Give what is to be reported, once."""
        outcomes, self.outcomes = self.outcomes, []
        return outcomes

    # What the caller wants

    def ask(self, now: float, deadline: float | None = None) -> None:
        """Ask for the next round, until `deadline` (None: for `join_timeout`). The work of the last one has stopped."""
        if self._departure is not None:  # who has said goodbye comes back as somebody new
            self._forget_membership()
            self.outcomes.append(operations.DepartureDone())
        self.intent, self._departure = Intent.JOIN, None
        self.held = self.fenced = None
        self._join = JoinAttempt(now + self.settings.join_timeout if deadline is None else deadline, told_at=now)
        self.known.looked = False
        self.tick(now)

    def depart(self, kind: DepartureKind, now: float) -> None:
        """Leave (`left`) or finish (`done`); of several the first counts."""
        if self.intent is Intent.JOIN:
            self.outcomes.append(
                operations.Failed(RendezvousGracefulExitError(f"this node {kind} while it was joining"))
            )
        if self._departure is None:
            self._go(kind)
        self.tick(now)

    def abandon(self, now: float) -> None:
        """Leave: whoever asked for a round waits for it no more, and works in none that it was given."""
        if self.intent is Intent.JOIN:
            self.outcomes.append(operations.Failed(RendezvousGracefulExitError("next_rendezvous was interrupted")))
        if self.intent in (Intent.JOIN, Intent.WORK):
            self._go("left")
        self.tick(now)

    def close(self, now: float) -> None:
        """Close the run for everybody."""
        self._closing = Closing(now + self.settings.close_timeout)
        self.known.looked = False
        self.tick(now)

    def tick(self, now: float) -> None:
        """Take note of the time."""
        self._plan(now)

    def change(self) -> Change | None:
        """Hold the roster that this node works in against the present."""
        return self.fenced or (change_of(self.held, self.known) if self._departure is None else None)

    # What the store answered

    def done(self, operation: Operation, result: Any, now: float) -> None:
        """Take in the result of an operation; an answer to one that was given up is discarded."""
        if not self.channels.retire(operation):
            if isinstance(operation, operations.Enter):
                self.channels.operations.append(operations.Leave(now, result))
            return
        try:
            self._take_in(operation, result, now)
        except RendezvousStateError as error:
            self.channels.back_off(operation.channel, now)
            self._state_error(error)
        else:
            self.channels.succeeded(operation.channel)
            self.outage.answered(now)
            if self._join is not None:
                self._join.trouble_since = None
        self._plan(now)

    def takes_in_quickly(self, operation: Operation) -> bool:
        """Whether the end of `operation` will be taken in within microseconds, and without code that is a user's.

        Who watches may have to assess all members and have their ranks ordered, and so may who goes; a reading of
        members may show a node that it has to watch.
        """
        return not (self.known.watching or self._departure is not None or isinstance(operation, operations.ReadMembers))

    def failed(self, operation: Operation, error: Exception, now: float) -> None:
        """Take in that an operation failed; whether a write took effect is then not known."""
        if not self.channels.retire(operation):
            return
        self.channels.back_off(operation.channel, now)
        if isinstance(operation, operations.WriteHead):
            self.known.looked = False
        self.lease_keeper.unknown(operation)
        if isinstance(operation, operations.FetchRoster | operations.FindRank) and not self.watcher.names(
            operation.digest
        ):
            pass  # that roster has had its time: the head names another, or none
        elif isinstance(error, RendezvousStateError):
            self._state_error(error)
        else:
            if operation.channel is not Channel.LEASE:
                self.lease_keeper.doubt()
            self._trouble(error, now)
        self._plan(now)

    def _take_in(self, operation: Operation, result: Any, now: float) -> None:
        if operation.channel is not Channel.LEASE:
            self.watcher.take_in(operation, result, self.lease_keeper.id, now)
        elif not self.lease_keeper.take_in(operation, result):
            self._end_membership("the store has ended this node's membership", may_be_there=False)
        elif isinstance(operation, operations.Enter):
            self.watcher.entered(result.ahead, now)

    def _state_error(self, error: RendezvousStateError) -> None:
        if self._join is not None:
            self._fail(error)
        if self._closing is not None:
            self._closing.last_error = error
        self.known.looked = True

    def _trouble(self, error: Exception, now: float) -> None:
        """A join bears with a store that is away until its deadline; what waiting cannot fix ends it at once."""
        self.outage.failed(str(error) or type(error).__name__, now)
        if self._closing is not None:
            self._closing.last_error = error
        join = self._join
        if join is None:
            return
        join.last_error = error
        if join.trouble_since is None:
            join.trouble_since = now
        away = isinstance(error, RendezvousConnectionError) and not isinstance(error, RendezvousConfigurationError)
        known_to_work = self.lease_keeper.was_member and now < join.trouble_since + self.settings.ttl
        if isinstance(error, RendezvousConfigurationError) or not (away or known_to_work):
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.outcomes.append(operations.Failed(error))
        self._go("left")

    def _go(self, kind: DepartureKind) -> None:
        """Depart; one who is in no roster need not say how."""
        self._departure = Departure(kind if self._seated() else "")
        self.intent, self._join = Intent.DEPART, None

    def _end_membership(self, why: str, *, may_be_there: bool = True) -> None:
        """A membership ends for good; who worked enters again only by asking anew, who was joining enters anew."""
        self._forget_membership(may_be_there=may_be_there)
        if self.intent is Intent.WORK:
            self.fenced = Change(ChangeReason.FENCED, f"{why}: stop the work, then ask again")
            self.held, self.intent = None, Intent.IDLE
        elif self._join is not None:
            self._join.claim = self._join.ask = None

    def _forget_membership(self, *, may_be_there: bool = False) -> None:
        self.lease_keeper.forget(may_be_there=may_be_there)
        self.watcher.forget_members()

    def _seated(self) -> bool:
        return bool(self.lease_keeper.id) and self.known.rank(self.lease_keeper.id) is not None

    # The plan: what is known held against what is wanted

    def _plan(self, now: float) -> None:
        self.channels.wake_at = float("inf")
        self._watch_store(now)
        self._watch_lease(now)
        self._advance_join(now)
        self._advance_departure(now)
        self._advance_closing(now)
        self._plan_looking(now)
        self._plan_lease(now)
        self._plan_write(now)
        if now < (silent_at := self.channels.oldest_request + self.settings.heartbeat_timeout):
            self.channels.wake(silent_at)

    def _watch_store(self, now: float) -> None:
        """Say that the store is away, and what this node does about it, as soon and as often as that is of use."""
        patience, asked_at = self.settings.heartbeat_timeout, self.channels.oldest_request
        if now >= asked_at + patience:
            self.outage.failed(f"no answer within {patience:g} s", asked_at)
        if self.outage.why and (consequence := self._bears_with_it(now)):
            self.channels.wake(self.outage.look(consequence, now))

    def _bears_with_it(self, now: float) -> str:
        """Say what this node does while the store is away; empty where it wants nothing of it."""
        lease, join = self.lease_keeper.lease, self._join
        if self.intent is Intent.WORK and lease is not None:
            return f"the work goes on, the membership covers it for {max(0.0, lease.fenced_at - now):.1f} s more"
        return f"this node goes on trying for {max(0.0, join.deadline - now):.0f} s" if join is not None else ""

    def _watch_lease(self, now: float) -> None:
        lease = self.lease_keeper.lease
        if lease is None:
            return
        if lease.fenced(self.rules, now):
            since = f"{now - lease.sent:.1f} s"
            self._end_membership(
                f"lost {self.outage.store()} ({self.outage.why}), and no keep-alive has succeeded for {since}"
                if self.outage.why
                else f"no keep-alive has succeeded for {since}"
            )
        elif self._departure is None and self._passed_over():
            self._end_membership("the others count this node as lost")
        else:
            self.channels.wake(lease.fenced_at)

    def _passed_over(self) -> bool:
        """Whether the others have gone on without this membership, or will: nothing that it says is heard any more."""
        head = self.known.head
        if head is None:
            return False
        claim = self._join.claim if self._join is not None else None
        if (held := self.held or claim) is not None and held.epoch == head.epoch:
            gone = head.round == held.round and head.gone_ranks() >> held.rank & 1
            return bool(gone) or head.round > held.round
        return self.intent is Intent.JOIN and "lost" in head.departed and self._counts_as_lost(head)

    def _counts_as_lost(self, head: Head) -> bool:
        rank = self.known.rank(self.lease_keeper.id)
        return rank is not None and bool(int(head.departed["lost"], 16) >> rank & 1)

    def _advance_join(self, now: float) -> None:
        join, head = self._join, self.known.head
        if join is None:
            return
        if self.known.looked and head is not None:
            if head.closed:
                self._fail(
                    RendezvousGracefulExitError(finished_text(head))
                    if join.waited and head.finished
                    else RendezvousClosedError(closed_text(head))
                )
            elif head.terms is not None and head.terms != Terms.of(self.settings):
                self._fail(ValueError(terms_text(head.terms, Terms.of(self.settings))))
            else:
                self._claim(join, head, now)
        if self._join is not None:
            self._time(join, now)

    def _claim(self, join: JoinAttempt, head: Head, now: float) -> None:
        """Find oneself in a roster, announce that, and only then return with it."""
        join.waited = True
        if join.ask is None or join.ask.epoch != head.epoch:
            join.ask, join.claim = RoundId(head.epoch, head.round + 1), None
        rank = self.known.rank(self.lease_keeper.id) if head.round >= join.ask.round else None
        if rank is None:
            return
        join.claim = held_in(head, rank, self.lease_keeper.id)
        if self.lease_keeper.says(self._payload()):
            self.intent, self.held, self._join = Intent.WORK, join.claim, None
            self.worked_in = head.epoch
            self.watcher.seated(now)
            self.outcomes.append(operations.RoundJoined(join.claim))

    def _time(self, join: JoinAttempt, now: float) -> None:
        """At the deadline look once more, at a head read after it; then give up."""
        head = self.known.head
        full = head is not None and join.trouble_since is None and self.rules.is_full(head)
        if join.stand_by(full and join.claim is None, self.settings, now):
            assert head is not None
            self.outcomes.append(operations.Notice(standby_text(head), grave=False))
        if now < join.deadline:
            self.channels.wake(join.deadline)
            self._tell_of_waiting(join, now)
            return
        if join.final_look_at is None:
            join.final_look_at = now
            self.watcher.final_look(self.lease_keeper.lease is not None, now)
        over_at = join.final_look_at + self.settings.heartbeat_timeout
        looking = self.watcher.looking or self.known.rank_is_open(self.lease_keeper.id)
        if now >= over_at or (not looking and join.claim is None):
            error = RendezvousTimeoutError(self._timeout_text(join))
            error.__cause__ = join.last_error
            self._fail(error)
        else:
            self.channels.wake(over_at)

    def _tell_of_waiting(self, join: JoinAttempt, now: float) -> None:
        """Say now and then who is there; not while the store is away, or a full round works: that is said instead."""
        if join.standing_by or join.trouble_since is not None or join.claim is not None:
            join.told_at = now
        elif now >= join.told_at + WAITING_TOLD_EVERY:
            join.told_at = now
            text = waiting_text(self.settings, self.known, self._leadership.last_situation(), join.deadline - now)
            self.outcomes.append(operations.Notice(text, grave=False))
        self.channels.wake(join.told_at + WAITING_TOLD_EVERY)

    def _timeout_text(self, join: JoinAttempt) -> str:
        own = Seat(self.lease_keeper.id, self.settings.node_id, self.settings.address)
        if join.standing_by and self.known.head is not None:
            return standby_timeout_text(self.settings, own, self.known.head)
        return timeout_text(
            self.settings, own, self.known, self._leadership.last_situation(), join.last_error, self.run
        )

    def _advance_departure(self, now: float) -> None:
        departure, kept = self._departure, False
        if departure is None:
            return
        departure.deadline = min(departure.deadline, now + self.settings.close_timeout)
        if self.lease_keeper.lease is not None and now < departure.deadline:
            self.channels.wake(departure.deadline)
            if not departure.kind or not self.lease_keeper.says(self._payload()):
                return
            if departure.said_at is None:
                head = self.known.head
                staying = head.size - head.gone_ranks().bit_count() if head is not None else 0
                departure.said(staying, self.settings.keep_alive_interval, self.random, now)
                self.watcher.look_again()
            if not self._departure_rules.is_over(departure, self.lease_keeper.id):
                return
            kept = self._departure_rules.is_kept(self.lease_keeper.id)
        self._forget_membership()
        self.held, self.fenced, self._departure, self.intent = None, None, None, Intent.IDLE
        self.outcomes.append(operations.DepartureDone(kept))

    def _advance_closing(self, now: float) -> None:
        closing = self._closing
        if closing is None:
            return
        if self.known.looked and self.known.head is not None and self.known.head.closed:
            self._closing = None
            self.outcomes.append(operations.Closed())
        elif now >= closing.deadline:
            self._closing = None
            error = RendezvousTimeoutError(f"the run could not be closed within {self.settings.close_timeout:g} s")
            error.__cause__ = closing.last_error
            self.outcomes.append(operations.Closed(error))
        else:
            self.channels.wake(closing.deadline)

    def _plan_looking(self, now: float) -> None:
        going = self._departure is not None
        said = self._departure is not None and self._departure.said_at is not None
        if self.intent is not Intent.IDLE or self._closing is not None:
            self.watcher.plan_head(said or not going, now)
        if self.lease_keeper.lease is not None and (said or self.intent in (Intent.JOIN, Intent.WORK)):
            whole = self._keeps_goodbyes(now) if going else self.known.watching
            self.watcher.plan_roster(self.lease_keeper.id, whole, now)
            self.watcher.plan_members(whole, now)

    def _keeps_goodbyes(self, now: float) -> bool:
        """Whether it is the turn of this node, which goes, to write all goodbyes that it sees."""
        turn = float("inf") if self._departure is None else self._departure_rules.turn_to_write(self._departure)
        if now < turn:
            self.channels.wake(turn)
        return now >= turn

    def _plan_lease(self, now: float) -> None:
        if self._departure is not None:
            wish = LeaseIntent.KEEP if self._departure.kind else LeaseIntent.LEAVE
        elif self.intent is Intent.JOIN and self.known.head is not None:
            wish = LeaseIntent.ENTER
        else:
            wish = LeaseIntent.NOTHING if self.intent is Intent.IDLE else LeaseIntent.KEEP
        self.lease_keeper.plan(wish, self._payload(), now)

    def _payload(self) -> bytes | None:
        """What this node's membership should say; None while that is not known."""
        ask = at = None
        bye: DepartureKind = self._departure.kind if self._departure is not None else ""
        held = self.held or (self._join.claim if self._join is not None else None)
        if self._departure is None and held is not None:
            at = RoundId(held.epoch, held.round)
        elif self._join is not None:
            ask = self._join.ask
        if not (bye or at or ask):
            return None
        past = self.worked_in if ask is not None and ask.epoch != self.worked_in else ""
        return encode_announcement(
            Announcement(self.settings.node_id, self.settings.address, ask, at, bye, past, self.settings.came)
        )

    # Writing the head

    def _plan_write(self, now: float) -> None:
        if not self.known.looked or not self.channels.ready(Channel.HEAD_WRITE, now):
            return
        proposal = self._own_write(now) or self._lead(now)
        if isinstance(proposal, WaitUntil):
            self.channels.wake(proposal.time)
        elif proposal is not None:
            self.channels.start(operations.WriteHead(now, proposal.head.as_stored(), self.known.token, proposal.roster))

    def _own_write(self, now: float) -> Write | WaitUntil | None:
        """What any node writes: a run's first head, its terms, and its end."""
        head, departure = self.known.head, self._departure
        terms = Terms.of(self.settings)
        if self._closing is not None and not (head is not None and head.closed):
            begun = head or self._first_head(terms)
            return Write("close", begun.changed(closed=True))
        if departure is not None and departure.kind == "done" and head is not None and not head.closed:
            return self._leadership.close(now) if self._departure_rules.is_last(departure) else None
        if self._join is None:
            return None
        if head is not None and head.terms is not None:
            self._join.begin_at = None
            return None
        if now < (turn := self._join.turn_to_begin(terms.min_nodes, self.random, now)):
            return WaitUntil(turn)
        return Write("terms", head.changed(terms=terms) if head else self._first_head(terms))

    def _first_head(self, terms: Terms) -> Head:
        return Head(epoch=self._new_id(), terms=terms, run=self.settings.run)

    def _lead(self, now: float) -> Write | WaitUntil | None:
        lease = self.lease_keeper.lease
        if lease is None or not lease.may_write(self.rules, now):
            return None
        if self.intent in (Intent.JOIN, Intent.WORK):
            return self._leadership.propose(self._new_id, now)
        return self._leadership.keep_goodbyes(now) if self._keeps_goodbyes(now) else None

    def _new_id(self) -> str:
        return f"{self.random.getrandbits(64):016x}"
