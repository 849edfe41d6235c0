"""A store with the contract's semantics: one register, one membership, values by digest. It can lose each."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from rdzv_core._handler.roster import PackedRoster
from rdzv_core.abc import Member, MemberLease, MembersView, SetStateResult, StateSnapshot
from rdzv_simulation._cluster.observer import Observer
from rdzv_simulation._cluster.timeline import Timeline


@dataclass
class _Entry:
    payload: bytes
    ttl: float
    ends: float
    sequence: int = 0


@dataclass
class SimStore:
    """Every method is one atomic step at the store; leases end by the store's clock.

    Leases end `slack` seconds too late. While the store is `away` nothing is answered (`silent`), or everything is
    refused at once (`refusing`).
    """

    timeline: Timeline
    random: random.Random
    observer: Observer = field(default_factory=Observer)
    state: bytes | None = None
    token: int = 0
    rosters: dict[str, PackedRoster] = field(default_factory=dict)
    members: dict[str, _Entry] = field(default_factory=dict)
    version: int = 0
    incarnation: int = 1
    writes: int = 0
    away: str = ""
    slack: float = 0.0
    head_waiters: list[Callable[[], None]] = field(default_factory=list)
    member_waiters: list[Callable[[], None]] = field(default_factory=list)
    _members: tuple[Member, ...] | None = None

    @property
    def down(self) -> bool:
        """Whether nobody gets an answer."""
        return bool(self.away)

    def payload(self, member: str) -> bytes | None:
        """Return what a member announces; None if there is no such member."""
        entry = self.members.get(member)
        return None if entry is None else entry.payload

    def read(self) -> StateSnapshot | None:
        """Return the register."""
        return None if self.state is None else StateSnapshot(self.state, self.token)

    def write(self, state: bytes, token: object, reset: bool = False) -> SetStateResult | None:
        """Compare and set the register; `reset` is an operator's new epoch."""
        if self.state is None and token is not None:
            return None
        current = None if self.state is None else self.token
        if token != current:
            assert self.state is not None
            return SetStateResult(self.state, self.token, False)
        self.observer.written(self.state, state, self.rosters, reset)
        self.writes += 1
        self.token += 1
        self.state = state
        self._wake(self.head_waiters)
        return SetStateResult(state, self.token, True)

    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        """Add a member."""
        lease = MemberLease(ttl, str(self.incarnation), self.new_id(payload), ahead=len(self.members))
        entry = _Entry(payload, ttl, self.timeline.time + ttl + self.slack)
        self.members[lease.id] = entry
        self._changed()
        self.timeline.later(ttl + self.slack, self._expire, lease.id, entry)
        return lease

    def new_id(self, payload: bytes) -> str:  # noqa: ARG002 - a mutant makes it from the payload
        """Return an id for a new member: 128 random bits."""
        return f"{self.random.getrandbits(128):032x}"

    def refresh(self, lease: MemberLease, sequence: int, payload: bytes | None = None) -> bool:
        """Renew a lease, and replace its payload if one is given; what was sent before a later one is ignored."""
        entry = self.members.get(lease.id)
        if entry is None:
            return False
        if sequence <= entry.sequence:
            return True
        entry.sequence = sequence
        entry.ends = self.timeline.time + entry.ttl + self.slack
        if payload is not None and payload != entry.payload:
            entry.payload = payload
            self._changed()
        return True

    def leave(self, lease: MemberLease) -> None:
        """End a membership."""
        self._end(lease.id)

    def view(self, limit: int | None) -> MembersView:
        """Return the members in entry order, the first `limit` or all."""
        if limit is not None:
            first = [Member(name, entry.payload) for name, entry in islice(self.members.items(), limit)]
            return MembersView(str(self.incarnation), self.version, tuple(first))
        if self._members is None:
            self._members = tuple([Member(name, entry.payload) for name, entry in self.members.items()])
        return MembersView(str(self.incarnation), self.version, self._members)

    def lose_register(self) -> None:
        """Lose the register."""
        self.timeline.note("STORE loses the register")
        self.observer.register_lost()
        self.state = None
        self.rosters.clear()
        self._wake(self.head_waiters)

    def lose_members(self) -> None:
        """Lose the memberships."""
        self.timeline.note("STORE loses the memberships")
        for name, entry in self.members.items():
            self.observer.member_ended(name, entry.payload)
        self.members.clear()
        self.incarnation += 1
        self._changed()

    def end_early(self, name: str) -> None:
        """End a lease before its time."""
        if name in self.members:
            self.timeline.note(f"STORE ends the lease of {name[:8]} early")
            self._end(name)

    def come_back(self) -> None:
        """Answer again, and give everybody a fresh ttl: refreshes may have been missed."""
        self.away = ""
        for entry in self.members.values():
            entry.ends = max(entry.ends, self.timeline.time + entry.ttl)

    def _end(self, name: str) -> None:
        entry = self.members.pop(name, None)
        if entry is not None:
            self.observer.member_ended(name, entry.payload)
            self._changed()

    def _expire(self, name: str, entry: _Entry) -> None:
        if self.members.get(name) is not entry:
            return
        rest = entry.ends - self.timeline.time
        if rest > 0 or self.down:
            self.timeline.later(max(rest, 0.01), self._expire, name, entry)
            return
        self.timeline.note(f"STORE ends the lease of {name[:8]}")
        self._end(name)

    def _changed(self) -> None:
        self.version += 1
        self._members = None
        self._wake(self.member_waiters)

    def _wake(self, waiters: list[Callable[[], None]]) -> None:
        if waiters:
            woken, waiters[:] = waiters[:], []
            for waiter in woken:
                waiter()
