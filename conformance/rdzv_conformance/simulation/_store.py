"""A store with the contract's semantics: one register, one membership, values by digest; it can lose each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rdzv_conformance.simulation._world import World
from rdzv_core.abc import Member, MemberLease, MembersView, SetStateResult, StateSnapshot
from rdzv_core.handler.roster import PackedRoster


@dataclass
class _Entry:
    payload: bytes
    ttl: float
    ends: float
    sequence: int = 0


@dataclass
class SimStore:
    """Every method is one atomic step at the store; leases end by the store's clock."""

    world: World
    check: Callable[[bytes | None, bytes], None]
    state: bytes | None = None
    token: int = 0
    rosters: dict[str, PackedRoster] = field(default_factory=dict)
    members: dict[str, _Entry] = field(default_factory=dict)
    version: int = 0
    incarnation: int = 1
    writes: int = 0
    head_waiters: list[Callable[[], None]] = field(default_factory=list)
    member_waiters: list[Callable[[], None]] = field(default_factory=list)

    def read(self) -> StateSnapshot | None:
        """Give the register."""
        return None if self.state is None else StateSnapshot(self.state, self.token)

    def write(self, state: bytes, token: object) -> SetStateResult | None:
        """Compare and set the register."""
        if self.state is None and token is not None:
            return None
        current = None if self.state is None else self.token
        if token != current:
            assert self.state is not None
            return SetStateResult(self.state, self.token, False)
        self.check(self.state, state)
        self.writes += 1
        self.token += 1
        self.state = state
        self._wake(self.head_waiters)
        return SetStateResult(state, self.token, True)

    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        """Add a member."""
        lease = MemberLease(ttl, str(self.incarnation), self.new_id(payload))
        self.members[lease.id] = _Entry(payload, ttl, self.world.time + ttl)
        self._changed()
        self._expire_later(lease.id, ttl)
        return lease

    def new_id(self, payload: bytes) -> str:  # noqa: ARG002 - a mutant makes it from the payload
        """Give an id for a new member: 128 random bits."""
        return f"{self.world.random.getrandbits(128):032x}"

    def refresh(self, lease: MemberLease, sequence: int, payload: bytes | None = None) -> bool:
        """Renew a lease, and replace its payload if one is given; what was sent before a later write is ignored."""
        entry = self.members.get(lease.id)
        if entry is None:
            return False
        if sequence <= entry.sequence:
            return True
        entry.sequence = sequence
        entry.ends = self.world.time + entry.ttl
        self._expire_later(lease.id, entry.ttl)
        if payload is not None and payload != entry.payload:
            entry.payload = payload
            self._changed()
        return True

    def leave(self, lease: MemberLease) -> None:
        """End a membership."""
        if self.members.pop(lease.id, None) is not None:
            self._changed()

    def view(self, limit: int | None) -> MembersView:
        """Give the members in entry order."""
        members = tuple(Member(name, entry.payload) for name, entry in self.members.items())
        return MembersView(str(self.incarnation), self.version, members if limit is None else members[:limit])

    def lose_state(self) -> None:
        """Lose the register."""
        self.world.note("STORE loses the register")
        self.state = None
        self.rosters.clear()
        self._wake(self.head_waiters)

    def lose_members(self) -> None:
        """Lose the memberships."""
        self.world.note("STORE loses the memberships")
        self.members.clear()
        self.incarnation += 1
        self._changed()

    def _expire_later(self, name: str, ttl: float) -> None:
        self.world.later(ttl, lambda: self._expire(name))

    def _expire(self, name: str) -> None:
        entry = self.members.get(name)
        if entry is not None and self.world.time >= entry.ends:
            del self.members[name]
            self.world.note(f"STORE ends the lease of {name[:8]}")
            self._changed()

    def _changed(self) -> None:
        self.version += 1
        self._wake(self.member_waiters)

    def _wake(self, waiters: list[Callable[[], None]]) -> None:
        woken, waiters[:] = waiters[:], []
        for waiter in woken:
            waiter()
