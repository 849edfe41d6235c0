"""Keeping this node's own membership: enter, update, refresh, leave."""

from __future__ import annotations

import enum
from typing import Any

from rdzv_core._handler import operations
from rdzv_core._handler.channels import Channels
from rdzv_core._handler.lease import Lease
from rdzv_core._handler.operations import Channel, Operation
from rdzv_core._handler.settings import HandlerSettings
from rdzv_core._handler.states import Departing, Idle, Joining, State
from rdzv_core.abc import MemberLease


class LeaseIntent(enum.Enum):
    """What is wanted of the membership."""

    NOTHING = enum.auto()
    ENTER = enum.auto()
    KEEP = enum.auto()
    LEAVE = enum.auto()


def lease_intent(state: State, *, begun: bool) -> LeaseIntent:
    """Return what a node in this state wants of its membership; one that joins enters when the run has `begun`."""
    if type(state) is Departing:
        return LeaseIntent.KEEP if state.kind else LeaseIntent.LEAVE
    if type(state) is Joining and begun:
        return LeaseIntent.ENTER
    return LeaseIntent.NOTHING if type(state) is Idle else LeaseIntent.KEEP


class LeaseKeeper:
    """This node's membership. A membership that has ended is never entered again: a new one has a new id."""

    def __init__(self, settings: HandlerSettings, channels: Channels) -> None:
        self._settings, self._channels = settings, channels
        self.lease: Lease | None = None
        self._former: MemberLease | None = None
        self.was_member = False
        self._doubted = False

    @property
    def id(self) -> str:
        """The member id, empty where there is none."""
        return self.lease.member.id if self.lease else ""

    def says(self, payload: bytes | None) -> bool:
        """Whether `payload` is known to be what the others read."""
        return self.lease is not None and self.lease.payload == payload

    def forget(self, *, may_be_there: bool = False) -> None:
        """Have no membership any more; answers to it are discarded.

        One that `may_be_there`, as far as the store knows, is left before the next one is entered, so that the others
        need not wait for its end. Not sooner: only a node that enters has stopped its work.
        """
        if may_be_there and self.lease is not None:
            self._former = self.lease.member
        self.lease, self._doubted = None, False
        self._channels.give_up(Channel.LEASE)

    def plan(self, intent: LeaseIntent, payload: bytes | None, now: float) -> None:
        """Start what is missing for `intent`, with `payload` for the others to read (None: leave it as it is)."""
        if not self._free(now):
            return
        lease, channels = self.lease, self._channels
        if lease is None:
            if intent is LeaseIntent.ENTER and self._former is not None:
                channels.start(operations.Leave(now, self._former))
            elif intent is LeaseIntent.ENTER and payload is not None:
                channels.start(operations.Enter(now, payload, self._settings.ttl))
        elif intent is LeaseIntent.LEAVE:
            channels.start(operations.Leave(now, lease.member))
        elif payload is not None and payload != lease.payload:
            channels.start(operations.Update(now, lease.member, payload))
        elif (now >= lease.refresh_at or self._doubted) and intent is not LeaseIntent.NOTHING:
            self._doubted = False
            channels.start(operations.Refresh(now, lease.member))
        else:
            channels.wake(lease.refresh_at)

    def take_in(self, operation: Operation, result: Any) -> bool:
        """Take in an answer; False if the store has ended this membership."""
        if isinstance(operation, operations.Enter):
            ttl, interval = self._settings.ttl, self._settings.keep_alive_interval
            self.lease = Lease(result, operation.started, ttl, interval, operation.payload)
            self.was_member = True
        elif isinstance(operation, operations.Leave):
            self.lease = self._former = None
        elif self.lease is not None and isinstance(operation, (operations.Update, operations.Refresh)):
            if not result:
                return False
            self.lease.renewed(operation.started)
            if isinstance(operation, operations.Update):
                self.lease.payload = operation.payload
        return True

    def take_in_late(self, operation: Operation, result: Any) -> None:
        """Take in the answer to one that was given up: a renewal is one, and counts from when it was sent.

        At a store that is slower than `heartbeat_timeout` all answers come so. What the others read is left to the
        answer that is awaited now.
        """
        if not result or not isinstance(operation, operations.Update | operations.Refresh):
            return
        if self.lease is not None and operation.member is self.lease.member:
            self.lease.renewed(operation.started)

    def doubt(self) -> None:
        """Refresh at once: after any trouble the store may have ended the membership."""
        self._doubted = True

    def unknown(self, operation: Operation | None) -> None:
        """Note that an operation's outcome is not known: after an update, neither is what the others read."""
        if isinstance(operation, operations.Update) and self.lease is not None:
            self.lease.payload = None

    def _free(self, now: float) -> bool:
        """Whether the channel may be used; a keep-alive that takes longer than `heartbeat_timeout` is given up."""
        under_way = self._channels.under_way(Channel.LEASE)
        if under_way is not None and not isinstance(under_way, operations.Enter):
            give_up_at = under_way.started + self._settings.heartbeat_timeout
            if now < give_up_at:
                self._channels.wake(give_up_at)
                return False
            self._channels.give_up(Channel.LEASE)
            self.unknown(under_way)
        return self._channels.ready(Channel.LEASE, now)
