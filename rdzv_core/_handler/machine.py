"""The handler's state machine: events and the time in, operations and outcomes out. No I/O, no threads, no clock.

It is level-triggered: after every event the plan compares what is known with what is wanted and starts whatever is
missing. A lost answer, a refused write or a restart of the store needs no case of its own: what was read last decides.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, ClassVar

from rdzv_core._errors import RendezvousGracefulExitError, RendezvousStateError
from rdzv_core._handler import operations
from rdzv_core._handler.announcer import Announcer
from rdzv_core._handler.change import change_of
from rdzv_core._handler.channels import Channels
from rdzv_core._handler.departer import Departer
from rdzv_core._handler.departure_rules import DepartureRules
from rdzv_core._handler.diagnostics import RunAt, bearing_text
from rdzv_core._handler.fencing import Fencing
from rdzv_core._handler.head import INLINE_ROSTER_BYTES, DepartureKind, Terms
from rdzv_core._handler.head_writer import HeadWriter
from rdzv_core._handler.info import Change, ChangeReason
from rdzv_core._handler.joiner import Joiner
from rdzv_core._handler.leadership import Leadership
from rdzv_core._handler.lease_keeper import LeaseKeeper, lease_intent
from rdzv_core._handler.operations import Assignment, Channel, DepartureDone, Failed, Notice, Operation, Outcome
from rdzv_core._handler.outage import Outage
from rdzv_core._handler.proposals import Proposer, WaitUntil
from rdzv_core._handler.rank_order import RankOrder, natural_order
from rdzv_core._handler.rules import Rules
from rdzv_core._handler.settings import HandlerSettings
from rdzv_core._handler.states import Closing, Departing, Idle, Joining, State, Working, check
from rdzv_core._handler.view import LocalView
from rdzv_core._handler.watcher import AGED_BY_OBSERVERS, Watcher

_DEPARTED: dict[DepartureKind, str] = {"left": "left", "done": "finished"}


@dataclass
class Machine:
    """One node's part of the protocol. Not thread-safe: whoever drives it hands it one event at a time.

    Every method takes the present time `now` (seconds on a clock that never jumps) and returns nothing; the driver
    then takes `operations` to start and `outcomes` to report, and calls `tick` again by `wake_at`.
    """

    settings: HandlerSettings
    rules: Rules = field(default_factory=Rules)
    order: RankOrder = natural_order
    random: random.Random = field(default_factory=random.SystemRandom)
    place_checks: tuple[float, float] = AGED_BY_OBSERVERS
    inline_roster_bytes: int = INLINE_ROSTER_BYTES
    run: RunAt = RunAt()  # noqa: RUF009 - it is immutable

    # What it is made of; the simulator's mutants put something else in one of these places.
    view_type: ClassVar[type[LocalView]] = LocalView
    lease_keeper_type: ClassVar[type[LeaseKeeper]] = LeaseKeeper
    proposer_type: ClassVar[type[Proposer]] = Proposer
    departure_rules_type: ClassVar[type[DepartureRules]] = DepartureRules
    fencing_type: ClassVar[type[Fencing]] = Fencing
    joiner_type: ClassVar[type[Joiner]] = Joiner
    head_writer_type: ClassVar[type[HeadWriter]] = HeadWriter

    def __post_init__(self) -> None:
        settings, rules = self.settings, self.rules
        self.state: State = Idle()
        self.closing: Closing | None = None
        self.outcomes: list[Outcome] = []
        known = self.known = self.view_type()
        channels = self.channels = Channels(self.random, settings.keep_alive_interval / 3)
        keeper = self.lease_keeper = self.lease_keeper_type(settings, channels)
        self.outage = Outage(lambda text: self.outcomes.append(Notice(text)), self.run.endpoint)
        watcher = self.watcher = Watcher(known, channels, settings.ttl, self.random, self.place_checks)
        self.fencing = self.fencing_type(known, rules, self.outage)
        self.announcer = Announcer(settings)
        proposer = self.proposer_type(rules, self.order, settings.evict_after, self.inline_roster_bytes)
        leadership = Leadership(known, channels, proposer, settings)
        terms = Terms.of(settings)
        self.joiner = self.joiner_type(
            settings, terms, rules, self.run, known, channels, watcher, keeper, self.announcer, leadership, self._tell
        )
        departure_rules = self.departure_rules_type(known, rules, settings.deputy_delay)
        self.departer = Departer(
            settings, self.random, departure_rules, known, channels, watcher, keeper, self.announcer
        )
        self.head_writer = self.head_writer_type(
            settings, terms, rules, self.random, known, keeper, leadership, self.departer
        )

    @property
    def wake_at(self) -> float:
        """When the next tick is due, if nothing else happens before."""
        return self.channels.wake_at

    @property
    def held(self) -> Assignment | None:
        """The place in the round that this node works in."""
        return self.state.held if type(self.state) is Working else None

    @property
    def fenced(self) -> Change | None:
        """Why the work of the last round had to stop, until this node asks again or has departed."""
        return self.state.fenced if isinstance(self.state, Idle | Departing) else None

    @property
    def worked_in(self) -> str:
        """The epoch that this node worked in last; empty before it has."""
        return self.announcer.worked_in

    def take_operations(self) -> list[Operation]:
        """Return what is to be started, once."""
        operations, self.channels.operations = self.channels.operations, []
        return operations

    def take_outcomes(self) -> list[Outcome]:
        """Return what is to be reported, once."""
        outcomes, self.outcomes = self.outcomes, []
        return outcomes

    # What the caller wants

    def ask(self, now: float, deadline: float | None = None) -> None:
        """Ask for the next round, until `deadline` (None: for `join_timeout`). The work of the last one has stopped."""
        if type(self.state) is Departing:  # a node that has said goodbye comes back as somebody new
            self._forget_membership()
            self.outcomes.append(DepartureDone())
        self.state = Joining(now + self.settings.join_timeout if deadline is None else deadline, told_at=now)
        self.known.looked = False
        self.tick(now)

    def depart(self, kind: DepartureKind, now: float) -> None:
        """Leave (`left`) or finish (`done`); of several calls the first counts."""
        if type(self.state) is Joining:
            self.outcomes.append(
                Failed(RendezvousGracefulExitError(f"this node {_DEPARTED[kind]} while it was joining"))
            )
        if type(self.state) is not Departing:
            self._depart(kind)
        self.tick(now)

    def abandon(self, now: float) -> None:
        """Leave: whoever asked for a round no longer waits for it, and works in none that it was given."""
        if type(self.state) is Joining:
            self.outcomes.append(Failed(RendezvousGracefulExitError("next_rendezvous was interrupted")))
        if isinstance(self.state, Joining | Working):
            self._depart("left")
        self.tick(now)

    def close(self, now: float) -> None:
        """Close the run for everybody."""
        within = self.settings.close_timeout
        self.closing = Closing(now + within, within)
        self.known.looked = False
        self.tick(now)

    def tick(self, now: float) -> None:
        """Take note of the time."""
        self.plan(now)

    def change(self) -> Change | None:
        """Return why the work should stop: how the present differs from the roster held; None if it need not."""
        return change_of(self.state.held, self.known) if type(self.state) is Working else self.fenced

    # What the store answered

    def done(self, operation: Operation, result: Any, now: float) -> None:
        """Take in the result of an operation; of one that was given up no more than a renewal counts."""
        if not self.channels.retire(operation):
            if isinstance(operation, operations.Enter):
                self.channels.operations.append(operations.Leave(now, result))
            self.lease_keeper.take_in_late(operation, result)
            return
        try:
            self._take_in(operation, result, now)
        except RendezvousStateError as error:
            self.channels.back_off(operation.channel, now)
            self._state_error(error)
        else:
            self.channels.succeeded(operation.channel)
            self.outage.answered(now)
            if type(self.state) is Joining:
                self.state.trouble_since = None
        self.plan(now)

    def takes_in_quickly(self, operation: Operation) -> bool:
        """Whether the end of `operation` will be taken in within microseconds, and without code that is a user's.

        A node that watches may have to assess all members and have their ranks ordered, and so may one that departs;
        a reading of members may show a node that it has to watch.
        """
        departing = type(self.state) is Departing
        return not (self.known.watching or departing or isinstance(operation, operations.ReadMembers))

    def failed(self, operation: Operation, error: Exception, now: float) -> None:
        """Take in that an operation failed; whether a write took effect is then not known."""
        if not self.channels.retire(operation):
            return
        self.channels.back_off(operation.channel, now)
        if isinstance(operation, operations.WriteHead):
            self.known.looked = False
        self.lease_keeper.unknown(operation)
        if self.watcher.is_outdated(operation):
            pass  # that roster has had its time: the head names another, or none
        elif isinstance(error, RendezvousStateError):
            self._state_error(error)
        else:
            if operation.channel is not Channel.LEASE:
                self.lease_keeper.doubt()
            self._trouble(error, now)
        self.plan(now)

    def _take_in(self, operation: Operation, result: Any, now: float) -> None:
        if operation.channel is not Channel.LEASE:
            self.watcher.take_in(operation, result, self.lease_keeper.id, now)
        elif not self.lease_keeper.take_in(operation, result):
            self.end_membership("the store has ended this node's membership", may_be_there=False)
        elif isinstance(operation, operations.Enter):
            self.watcher.entered(result.ahead, now)

    def _state_error(self, error: RendezvousStateError) -> None:
        if type(self.state) is Joining:
            self._fail(error)
        if self.closing is not None:
            self.closing.last_error = error
        self.known.looked = True

    def _trouble(self, error: Exception, now: float) -> None:
        self.outage.failed(str(error) or type(error).__name__, now)
        if self.closing is not None:
            self.closing.last_error = error
        if type(self.state) is Joining and not self.joiner.bears_with(self.state, error, now):
            self._fail(error)

    # From one state to another

    def end_membership(self, why: str, *, may_be_there: bool = True) -> None:
        """End it for good; a node that worked enters again only by asking again, one that was joining at once."""
        self._forget_membership(may_be_there=may_be_there)
        if type(self.state) is Working:
            self.state = Idle(
                Change(ChangeReason.FENCED, f"{why}: stop the work so that no second group runs, then join again")
            )
        elif type(self.state) is Joining:
            self.state.forget_place()

    def _begin_work(self, held: Assignment, now: float) -> None:
        self.state = Working(held)
        self.announcer.worked_in = held.epoch
        self.watcher.seated(now)
        self.outcomes.append(operations.RoundJoined(held))

    def _fail(self, error: Exception) -> None:
        self.outcomes.append(Failed(error))
        self._depart("left")

    def _depart(self, kind: DepartureKind) -> None:
        """Say goodbye; a node that is in no roster need not say how."""
        own = self.lease_keeper.id
        seated = bool(own) and self.known.rank(own) is not None
        self.state = Departing(kind if seated else "", fenced=self.fenced)

    def _forget_membership(self, *, may_be_there: bool = False) -> None:
        self.lease_keeper.forget(may_be_there=may_be_there)
        self.watcher.forget_members()

    def _tell(self, text: str) -> None:
        self.outcomes.append(Notice(text, grave=False))

    # The plan: what is known compared with what is wanted

    def plan(self, now: float) -> None:
        """Move the state on, and start what is missing."""
        self.channels.wake_at = float("inf")
        self._plan_outage(now)
        self._plan_membership(now)
        self._plan_state(now)
        self._plan_closing(now)
        self._plan_reads(now)
        intent = lease_intent(self.state, begun=self.known.head is not None)
        self.lease_keeper.plan(intent, self.announcer.payload(self.state), now)
        self._plan_write(now)
        if now < (silent_at := self.channels.oldest_request + self.settings.heartbeat_timeout):
            self.channels.wake(silent_at)
        check(self.state, self.lease_keeper.id)

    def _plan_outage(self, now: float) -> None:
        """Report that the store is away, and what this node does about it, as soon and as often as that is of use."""
        patience, asked_at = self.settings.heartbeat_timeout, self.channels.oldest_request
        if now >= asked_at + patience:
            self.outage.failed(f"no answer within {patience:g} s", asked_at)
        if self.outage.why and (consequence := bearing_text(self.state, self.lease_keeper.lease, now)):
            self.channels.wake(self.outage.look(consequence, now))

    def _plan_membership(self, now: float) -> None:
        lease = self.lease_keeper.lease
        if lease is None:
            return
        if why := self.fencing.why_over(lease, self.state, now):
            self.end_membership(why)
        else:
            self.channels.wake(lease.fenced_at)

    def _plan_state(self, now: float) -> None:
        if type(self.state) is Joining:
            end = self.joiner.advance(self.state, now)
            if isinstance(end, Assignment):
                self._begin_work(end, now)
            elif end is not None:
                self._fail(end)
        if type(self.state) is Departing:
            self.state.deadline = min(self.state.deadline, now + self.settings.close_timeout)
            if departed := self.departer.advance(self.state, now):
                self._forget_membership()
                self.state = Idle()
                self.outcomes.append(departed)

    def _plan_closing(self, now: float) -> None:
        if self.closing is None:
            return
        head = self.known.head
        closed = self.closing.outcome(self.known.looked and head is not None and head.closed, now)
        if closed is None:
            self.channels.wake(self.closing.deadline)
        else:
            self.closing = None
            self.outcomes.append(closed)

    def _plan_reads(self, now: float) -> None:
        """Keep up to date with what this state needs; a node that departs looks again once it has said goodbye."""
        state = self.state
        departing = type(state) is Departing
        looks = state.said_at is not None if type(state) is Departing else type(state) is not Idle
        if type(state) is not Idle or self.closing is not None:
            self.watcher.plan_head(looks or not departing, now)
        if looks and self.lease_keeper.lease is not None:
            whole = self.departer.writes_goodbyes(state, now) if type(state) is Departing else self.known.watching
            self.watcher.plan_roster(self.lease_keeper.id, whole, now)
            self.watcher.plan_members(whole, now)

    def _plan_write(self, now: float) -> None:
        if not self.known.looked or not self.channels.ready(Channel.HEAD_WRITE, now):
            return
        due = self.head_writer.due(self.state, self.closing, now)
        if isinstance(due, WaitUntil):
            self.channels.wake(due.time)
        elif due is not None:
            self.channels.start(operations.WriteHead(now, due.head.as_stored(), self.known.token, due.roster))
