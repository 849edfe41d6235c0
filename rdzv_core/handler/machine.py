"""The handler's state machine: events and the time in, operations and outcomes out. No I/O, no threads, no clock.

It is level-triggered: after every event `_plan` holds what is known against what is wanted and starts whatever is
missing. A lost answer, a refused write or a restart of the store needs no case of its own: what was read last decides.
"""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass, field
from typing import Any

from rdzv_core._errors import (
    RendezvousClosedError,
    RendezvousGracefulExitError,
    RendezvousStateError,
    RendezvousTimeoutError,
)
from rdzv_core.handler import io
from rdzv_core.handler.head import Announcement, Head, Seat, Stage, Terms, encode_announcement
from rdzv_core.handler.info import Change, ChangeReason
from rdzv_core.handler.io import Channel, Held, Operation, Outcome
from rdzv_core.handler.knowledge import PLACE_LIMIT, Knowledge
from rdzv_core.handler.leader import Leader, Proposal
from rdzv_core.handler.lease import Lease
from rdzv_core.handler.rules import RankOrder, Rules, Situation, natural_order
from rdzv_core.handler.settings import HandlerSettings
from rdzv_core.handler.texts import closed_text, terms_text, timeout_text


class Goal(enum.Enum):
    """What this node wants."""

    IDLE = enum.auto()
    JOIN = enum.auto()
    WORK = enum.auto()
    DEPART = enum.auto()


@dataclass
class _Join:
    """A round that is being asked for."""

    deadline: float
    trouble_since: float | None = None
    last_error: Exception | None = None
    final_look: Operation | None = None
    claim: Held | None = None


@dataclass
class _Departure:
    """A leaving or finishing that is under way."""

    kind: str
    deadline: float
    said_at: float | None = None


@dataclass
class _Backoff:
    """When a channel may be used again after an error."""

    until: float = 0.0
    failures: int = 0


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

    def __post_init__(self) -> None:
        self.goal = Goal.IDLE
        self.known = Knowledge()
        self.lease: Lease | None = None
        self.held: Held | None = None
        self.fenced: Change | None = None
        self.operations: list[Operation] = []
        self.outcomes: list[Outcome] = []
        self.wake_at = float("inf")
        self._busy: dict[Channel, Operation] = {}
        self._backoff = {channel: _Backoff() for channel in Channel}
        self._join: _Join | None = None
        self._departure: _Departure | None = None
        self._close_by: float | None = None
        self._close_error: Exception | None = None
        self._ask: Stage | None = None
        self._stale_view = False
        self._place_check_at = 0.0
        self._proposed: tuple[object, str, float] | None = None
        self._was_member = False
        self._leader = Leader(self.rules, self.order, self.settings.evict_after)

    # What the caller wants

    def ask(self, now: float) -> None:
        """Ask for the next round. The work of the last one has stopped."""
        if self._departure is not None:  # who has said goodbye comes back as somebody new
            self._forget_membership()
        self.goal, self._departure = Goal.JOIN, None
        self.held = self.fenced = self._ask = None
        self._join = _Join(deadline=now + self.settings.join_timeout)
        self.known.looked = False
        self.tick(now)

    def depart(self, kind: str, now: float) -> None:
        """Leave (`left`) or finish (`done`)."""
        if self.goal is Goal.JOIN:
            self.outcomes.append(io.Failed(RendezvousGracefulExitError(f"this node {kind} while it was joining")))
        seated = self._seated()
        self.goal, self._join = Goal.DEPART, None
        self._departure = _Departure(kind if seated else "", deadline=now + self.settings.close_timeout)
        self.tick(now)

    def close(self, now: float) -> None:
        """Close the run for everybody."""
        self._close_by = now + self.settings.close_timeout
        self._close_error = None
        self.known.looked = False
        self.tick(now)

    def tick(self, now: float) -> None:
        """Take note of the time."""
        self._plan(now)

    # What the store answered

    def done(self, operation: Operation, result: Any, now: float) -> None:
        """Take in the result of an operation; an answer to one that was given up is discarded."""
        if not self._retire(operation):
            if isinstance(operation, io.Enter):
                self.operations.append(io.Leave(now, result))
            return
        try:
            self._take_in(operation, result, now)
        except RendezvousStateError as error:
            self._back_off(operation.channel, now)
            self._state_error(error)
        else:
            self._backoff[operation.channel] = _Backoff()
            if operation.channel is not Channel.LEASE and self._join is not None:
                self._join.trouble_since = None
        self._plan(now)

    def failed(self, operation: Operation, error: Exception, now: float) -> None:
        """Take in that an operation failed; whether a write took effect is then not known."""
        if not self._retire(operation):
            return
        self._back_off(operation.channel, now)
        if isinstance(operation, io.WriteHead):
            self.known.looked = False
        self._forget_payload(operation)
        if isinstance(error, RendezvousStateError):
            self._state_error(error)
        else:
            self._trouble(error, now)
        self._plan(now)

    def change(self) -> Change | None:
        """Hold the roster that this node works in against the present."""
        if self.fenced is not None or self.held is None:
            return self.fenced
        head = self.known.head
        held, where = self.held, f"round {self.held.round}"
        if self.known.unreadable:
            return Change(ChangeReason.STORE_LOST, self.known.unreadable)
        if head is None or head.epoch != held.epoch or head.round < held.round:
            return Change(ChangeReason.STORE_LOST, f"the run's register no longer knows {where} of epoch {held.epoch}")
        if head.round > held.round or held.member in head.departed:
            return Change(ChangeReason.FENCED, f"{where} was followed by one without this node")
        if head.closed:
            return Change(ChangeReason.CLOSED, "the run was closed")
        if head.pending:
            reason = ChangeReason[head.pending]
            gone = [seat.node for seat in held.roster if seat.member in head.departed]
            return Change(reason, f"{reason.value} ({', '.join(gone[:5])})" if gone else reason.value)
        return None

    # Taking in results

    def _retire(self, operation: Operation) -> bool:
        if self._busy.get(operation.channel) is not operation:
            return False
        del self._busy[operation.channel]
        return True

    def _take_in(self, operation: Operation, result: Any, now: float) -> None:
        if isinstance(operation, io.ReadHead):
            self.known.learn_head(result, operation.started, now)
        elif isinstance(operation, io.WaitHead):
            self.known.learn_head(result[1], operation.started, now)
        elif isinstance(operation, io.WriteHead):
            self.known.learn_head(None if result is None else (result[0], result[1]), operation.started, now)
        elif isinstance(operation, io.FetchRoster):
            self.known.learn_roster(operation.digest, result)
        elif isinstance(operation, io.ReadMembers):
            self._learn_members(operation, result, now)
        elif isinstance(operation, io.WaitMembers):
            self._stale_view = True
        else:
            self._take_in_lease(operation, result)

    def _learn_members(self, operation: io.ReadMembers, view: Any, now: float) -> None:
        self.known.learn_members(view, operation, self.lease.member.id if self.lease else "", now)
        # More often than twice a ttl: where leases are aged by observers, one who looks more rarely ages nobody.
        self._place_check_at = now + self.settings.ttl * self.random.uniform(0.3, 0.45)

    def _take_in_lease(self, operation: Operation, result: Any) -> None:
        if isinstance(operation, io.Enter):
            settings = self.settings
            self.lease = Lease(result, operation.started, settings.ttl, settings.keep_alive_interval, operation.payload)
            self._was_member = True
            self._place_check_at = 0.0
        elif isinstance(operation, io.Leave):
            self.lease = None
        elif self._owns(operation):
            self._renewed(operation, result)

    def _renewed(self, operation: Operation, accepted: bool) -> None:
        assert self.lease is not None
        if not accepted:
            self._end_membership("the store has ended this node's membership")
            return
        self.lease.renewed(operation.started)
        if isinstance(operation, io.Update):
            self.lease.payload = operation.payload

    def _owns(self, operation: Operation) -> bool:
        return self.lease is not None and getattr(operation, "member", None) is self.lease.member

    # Errors

    def _back_off(self, channel: Channel, now: float) -> None:
        backoff = self._backoff[channel]
        backoff.failures += 1
        most = min(1.0, self.settings.keep_alive_interval / 3, 0.02 * 2 ** min(backoff.failures, 10))
        backoff.until = now + most * self.random.uniform(0.5, 1.0)

    def _forget_payload(self, operation: Operation) -> None:
        """After an update whose outcome is unknown, so is what the others read."""
        if isinstance(operation, io.Update) and self.lease is not None and self._owns(operation):
            self.lease.payload = None

    def _state_error(self, error: RendezvousStateError) -> None:
        if self._join is not None:
            self._fail(error)
        self._close_error = error
        self.known.looked = True

    def _trouble(self, error: Exception, now: float) -> None:
        self._close_error = error
        join = self._join
        if join is None:
            return
        join.last_error = error
        if join.trouble_since is None:
            join.trouble_since = now
        if not self._was_member or now >= join.trouble_since + self.settings.ttl:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.outcomes.append(io.Failed(error))
        self._join = None
        self.goal = Goal.DEPART
        self._departure = _Departure("left" if self._seated() else "", deadline=float("inf"))

    # Membership

    def _end_membership(self, why: str) -> None:
        """A membership ends for good; nobody enters again but by asking anew."""
        self._forget_membership()
        if self.goal is Goal.WORK:
            self.fenced = Change(ChangeReason.FENCED, f"{why}: stop the work, then ask again")
            self.held, self.goal = None, Goal.IDLE
        elif self._join is not None:
            self._join.claim = None
            self._ask = None
            if self._join.trouble_since is not None and self._join.last_error is not None:
                self._fail(self._join.last_error)

    def _forget_membership(self) -> None:
        """Answers to an earlier membership are discarded."""
        self.lease = None
        for channel in (Channel.LEASE, Channel.MEMBERS_READ, Channel.MEMBERS_WAIT):
            self._busy.pop(channel, None)
        self.known.view = None
        self.known.place = PLACE_LIMIT

    def _seated(self) -> bool:
        head = self.known.whole_head
        if self.lease is None or head is None:
            return False
        return any(seat.member == self.lease.member.id for seat in head.roster)

    # The plan: what is known held against what is wanted

    def _plan(self, now: float) -> None:
        self.wake_at = float("inf")
        self._watch_lease(now)
        self._advance_join(now)
        self._advance_departure(now)
        self._advance_closing(now)
        self._plan_head(now)
        self._plan_members(now)
        self._plan_lease(now)
        self._plan_write(now)

    def _watch_lease(self, now: float) -> None:
        if self.lease is None:
            return
        if self.lease.fenced(self.rules, now):
            self._end_membership(f"no keep-alive has succeeded for {now - self.lease.sent:.1f} s")
        elif self._passed_over():
            self._end_membership("the others count this node as lost")
        else:
            self._wake(self.lease.fenced_at)

    def _passed_over(self) -> bool:
        held, head = self.held, self.known.head
        if held is None or head is None or head.epoch != held.epoch:
            return False
        return head.round > held.round or held.member in head.departed

    def _advance_join(self, now: float) -> None:
        join, head = self._join, self.known.head
        if join is None:
            return
        if self.known.looked and head is not None:
            if head.closed:
                self._fail(RendezvousClosedError(closed_text(head)))
            elif head.terms is not None and head.terms != Terms.of(self.settings):
                self._fail(ValueError(terms_text(head.terms, Terms.of(self.settings))))
            else:
                self._claim(join, head)
        if self._join is not None:
            self._time(join, now)

    def _claim(self, join: _Join, head: Head) -> None:
        """Find oneself in a roster, announce that, and only then return with it."""
        if self._ask is None or self._ask.epoch != head.epoch:
            self._ask, join.claim = Stage(head.epoch, head.round + 1), None
        whole = self.known.whole_head
        if self.lease is None or whole is None or head.round < self._ask.round:
            return
        rank = next((rank for rank, seat in enumerate(whole.roster) if seat.member == self.lease.member.id), None)
        if rank is None:
            return
        join.claim = Held(head.epoch, head.round, head.fence, rank, self.lease.member.id, whole.roster)
        if self.lease.payload == self._payload():
            self.goal, self.held, self._join = Goal.WORK, join.claim, None
            self.outcomes.append(io.Joined(join.claim))

    def _time(self, join: _Join, now: float) -> None:
        """At the deadline look once more, at a head read after it; then give up."""
        if now < join.deadline:
            self._wake(join.deadline)
            return
        if join.final_look is None:
            for channel in (Channel.HEAD_READ, Channel.MEMBERS_READ):
                self._busy.pop(channel, None)
            join.final_look = self._start(io.ReadHead(now))
            if self.lease is not None:
                self._start(io.ReadMembers(now, based_on=self.known.token))
        looking = self._busy.get(Channel.HEAD_READ) is join.final_look or Channel.MEMBERS_READ in self._busy
        over = now >= join.deadline + self.settings.heartbeat_timeout
        if over or (not looking and join.claim is None):
            self._time_out()
        else:
            self._wake(join.deadline + self.settings.heartbeat_timeout)

    def _time_out(self) -> None:
        assert self._join is not None
        own = Seat(self.lease.member.id if self.lease else "", self.settings.node_id, self.settings.address)
        text = timeout_text(self.settings, own, self.known.head, self._situation(), self._join.last_error)
        error = RendezvousTimeoutError(text)
        error.__cause__ = self._join.last_error
        self._fail(error)

    def _advance_departure(self, now: float) -> None:
        departure = self._departure
        if departure is None or self.goal is not Goal.DEPART:
            return
        if self.lease is not None and now < departure.deadline:
            self._wake(departure.deadline)
            if not departure.kind:
                return
            if self.lease.payload != self._payload():
                return
            if departure.said_at is None:
                departure.said_at, self._stale_view = now, True
            if departure.kind == "done" and not self._may_go(departure):
                return
        self._forget_membership()
        self.held, self.fenced, self._departure, self.goal = None, None, None, Goal.IDLE
        self.outcomes.append(io.Departed())

    def _may_go(self, departure: _Departure) -> bool:
        """Whether a finished node is not needed any more: others go on, or the run is closed."""
        head = self.known.head
        return head is None or head.closed or self._last_to_finish(departure) is False

    def _last_to_finish(self, departure: _Departure) -> bool | None:
        """Whether nobody of the roster is left and nobody asks, by a look after this node said so; None: not known."""
        head, view = self.known.whole_head, self.known.fresh_view
        if head is None or view is None or departure.said_at is None or self.known.view_started < departure.said_at:
            return None
        situation = self.rules.assess(head, view, settled=False)
        return not situation.asking and all(seat.member in situation.departed for seat in head.roster)

    def _advance_closing(self, now: float) -> None:
        if self._close_by is None:
            return
        if self.known.looked and self.known.head is not None and self.known.head.closed:
            self._close_by = None
            self.outcomes.append(io.Closed())
        elif now >= self._close_by:
            self._close_by = None
            error = RendezvousTimeoutError(f"the run could not be closed within {self.settings.close_timeout:g} s")
            error.__cause__ = self._close_error
            self.outcomes.append(io.Closed(error))
        else:
            self._wake(self._close_by)

    def _plan_head(self, now: float) -> None:
        engaged = self.goal is not Goal.IDLE or self._close_by is not None
        if not engaged:
            return
        if not self.known.looked and self._ready(Channel.HEAD_READ, now):
            self._start(io.ReadHead(now))
        if self.known.looked and self.goal is not Goal.DEPART and self._ready(Channel.HEAD_WAIT, now):
            self._start(io.WaitHead(now, self.known.token, self.settings.ttl))
        if self.known.missing_roster and self._ready(Channel.ROSTER, now):
            self._start(io.FetchRoster(now, self.known.missing_roster))

    def _plan_members(self, now: float) -> None:
        if self.lease is None or self.goal is Goal.IDLE:
            return
        if self.goal is Goal.DEPART and (self._departure is None or self._departure.said_at is None):
            return
        whole = self.known.watching or self.goal is Goal.DEPART
        due = self._stale_view or self.known.fresh_view is None if whole else now >= self._place_check_at
        if due and self._ready(Channel.MEMBERS_READ, now):
            self._stale_view = False
            self._start(io.ReadMembers(now, None if whole else PLACE_LIMIT, self.known.token))
        elif not whole and not due:
            self._wake(self._place_check_at)
        view = self.known.view
        reading = self._stale_view or Channel.MEMBERS_READ in self._busy
        if whole and view is not None and not reading and self._ready(Channel.MEMBERS_WAIT, now):
            self._start(io.WaitMembers(now, view.version, self.settings.ttl / 3))

    def _plan_lease(self, now: float) -> None:
        under_way = self._busy.get(Channel.LEASE)
        if under_way is not None and not isinstance(under_way, io.Enter):
            give_up = under_way.started + self.settings.heartbeat_timeout
            if now < give_up:
                self._wake(give_up)
                return
            self._forget_payload(self._busy.pop(Channel.LEASE))
        if not self._ready(Channel.LEASE, now):
            return
        payload = self._payload()
        if self.lease is None:
            if self.goal is Goal.JOIN and payload is not None and self.known.head is not None:
                self._start(io.Enter(now, payload, self.settings.ttl))
        elif self.goal is Goal.DEPART and self._departure is not None and not self._departure.kind:
            self._start(io.Leave(now, self.lease.member))
        elif payload is not None and payload != self.lease.payload:
            self._start(io.Update(now, self.lease.member, payload))
        elif now >= self.lease.refresh_at and self.goal is not Goal.IDLE:
            self._start(io.Refresh(now, self.lease.member))
        else:
            self._wake(self.lease.refresh_at)

    def _payload(self) -> bytes | None:
        """What this node's membership should say; None while that is not known."""
        says = Announcement(self.settings.node_id, self.settings.address)
        held = self.held or (self._join.claim if self._join else None)
        if self.goal is Goal.DEPART:
            if self._departure is None or not self._departure.kind:
                return None
            done = self._departure.kind == "done"
            says = Announcement(says.node, says.address, bye="done" if done else "left")
        elif held is not None:
            says = Announcement(says.node, says.address, at=Stage(held.epoch, held.round))
        elif self._ask is not None and self.goal is Goal.JOIN:
            says = Announcement(says.node, says.address, ask=self._ask)
        else:
            return None
        return encode_announcement(says)

    # Writing the head

    def _plan_write(self, now: float) -> None:
        if not self.known.looked or not self._ready(Channel.HEAD_WRITE, now):
            return
        proposal = self._own_write() or self._lead(now)
        if proposal is None:
            return
        if proposal.head is None:
            self._wake(proposal.until)
            return
        self._start(io.WriteHead(now, proposal.head.as_stored(), self.known.token, proposal.roster))

    def _own_write(self) -> Proposal | None:
        """What any node writes: a run's first head, its terms, and its end."""
        head = self.known.head
        terms = Terms.of(self.settings)
        if self._close_by is not None and not (head is not None and head.closed):
            begun = head or Head(epoch=self._new_id(), terms=terms)
            return Proposal("close", begun.changed(closed=True))
        if self._departure is not None and self._departure.kind == "done" and head is not None and not head.closed:
            return Proposal("close", head.changed(closed=True)) if self._last_to_finish(self._departure) else None
        if self.goal is not Goal.JOIN:
            return None
        if head is None:
            return Proposal("create", Head(epoch=self._new_id(), terms=terms))
        return Proposal("terms", head.changed(terms=terms)) if head.terms is None else None

    def _lead(self, now: float) -> Proposal | None:
        """What the first member writes, or the deputy in place k if that has not happened k delays later."""
        head, situation = self.known.whole_head, self._situation(now)
        if head is None or situation is None or not self.known.watching:
            return None
        if self.lease is None or self.goal not in (Goal.JOIN, Goal.WORK) or not self.lease.may_write(self.rules, now):
            return None
        if situation.unsure and self.known.incarnation_since is not None:
            self._wake(self.known.incarnation_since[1] + self.settings.ttl)
        self.known.note_gone(situation, now)
        proposal = self._leader.propose(self.known, head, situation, self._new_id(), now)
        if proposal is None or proposal.head is None:
            return proposal
        since = (self.known.token, proposal.kind)
        if self._proposed is None or self._proposed[:2] != since:
            self._proposed = (*since, now)
        turn = self._proposed[2] + self.known.place * self.settings.deputy_delay
        return proposal if now >= turn else Proposal("wait", None, until=turn)

    def _situation(self, now: float | None = None) -> Situation | None:
        head, view = self.known.whole_head, self.known.fresh_view
        if now is None:
            view = self.known.view
        if head is None or view is None:
            return None
        return self.rules.assess(head, view, now is not None and self.known.settled(now, self.settings.ttl))

    # Small things

    def _start(self, operation: Operation) -> Operation:
        self._busy[operation.channel] = operation
        self.operations.append(operation)
        return operation

    def _ready(self, channel: Channel, now: float) -> bool:
        if channel in self._busy:
            return False
        if now < self._backoff[channel].until:
            self._wake(self._backoff[channel].until)
            return False
        return True

    def _wake(self, at: float) -> None:
        self.wake_at = min(self.wake_at, at)

    def _new_id(self) -> str:
        return f"{self.random.getrandbits(64):016x}"
