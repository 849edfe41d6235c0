"""The memberships of one run: the members, and until when their leases run."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from rdzv_core.abc import Member, MembersView


@dataclass
class _Entry:
    payload: bytes
    ttl: float
    ends: float
    sequence: int = 0


class MemberTable:
    """Leases in entry order; the caller holds the hub's lock and says what time it is.

    `expire` comes before every other call: a lease that has run out ends at the next look. The members live in the
    same process as this table and stop whenever it does, so there is no stall of the store that its members did not
    share, and none to make up for.
    """

    def __init__(self) -> None:
        self.incarnation = secrets.token_hex(16)
        self._entries: dict[str, _Entry] = {}
        self._version = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def version(self) -> str:
        """Differs after every change of the set or of a payload."""
        return f"{self.incarnation}:{self._version}"

    def expire(self, now: float) -> None:
        """End the leases that have run out."""
        over = [member for member, entry in self._entries.items() if entry.ends <= now]
        for member in over:
            self.leave(member)

    def next_end(self) -> float | None:
        """Return when the next lease runs out unless it is renewed."""
        return min((entry.ends for entry in self._entries.values()), default=None)

    def enter(self, member: str, payload: bytes, ttl: float, now: float) -> None:
        """Put a new member behind all others."""
        self._entries[member] = _Entry(payload, ttl, now + ttl)
        self._version += 1

    def write(self, member: str, sequence: int, payload: bytes | None, now: float) -> bool:
        """Renew the lease, and replace the payload unless it is None; False if there is no such member.

        A write that is not newer than the last one that arrived changes nothing.
        """
        entry = self._entries.get(member)
        if entry is None:
            return False
        if sequence > entry.sequence:
            entry.sequence = sequence
            entry.ends = now + entry.ttl
            if payload is not None:
                entry.payload = payload
                self._version += 1
        return True

    def leave(self, member: str) -> None:
        """End a membership, if it is still one."""
        if self._entries.pop(member, None) is not None:
            self._version += 1

    def view(self) -> MembersView:
        """Return all members."""
        members = [Member(member, entry.payload) for member, entry in self._entries.items()]
        return MembersView(self.incarnation, self.version, tuple(members))
