"""The capability to know the members, with leases kept by the store."""

from __future__ import annotations

import itertools
import secrets
from abc import ABC, abstractmethod
from typing import NamedTuple

from rdzv_core.abc._backend import Token

MAX_PAYLOAD_BYTES = 4096


class Member(NamedTuple):
    """One member as the others see it."""

    id: str
    payload: bytes


class MembersView(NamedTuple):
    """The members, in entry order.

    `version` changes when the set or a payload changes and never on refresh: compare it for equality only.
    `incarnation` changes when the store lost the memberships; a member of another incarnation is not there any more.
    """

    incarnation: str
    version: Token
    members: tuple[Member, ...]


class MemberLease:
    """A node's own membership, as `enter` returns it. Thread-safe.

    The id is 128 random bits in hex, new for every entry. The lease runs `ttl` seconds from when the last successful
    refresh was *sent*. `ahead` is how many members were there when it entered, if the store says so; None: see `first`.
    """

    def __init__(self, ttl: float, incarnation: str, member_id: str | None = None, *, ahead: int | None = None) -> None:
        self.id: str = member_id or secrets.token_hex(16)
        self.ttl = ttl
        self.incarnation = incarnation
        self.ahead = ahead
        self._sequence = itertools.count(1)

    def next_sequence(self) -> int:
        """Return the next write's sequence number; a store ignores a write with an older one."""
        return next(self._sequence)

    def __repr__(self) -> str:
        return f"<MemberLease {self.id[:8]} ttl={self.ttl:g} s incarnation={self.incarnation[:8]}>"


class SupportsMembership(ABC):
    """A backend that keeps the memberships of its run.

    Expiry is by the store's clock or by an observer's monotonic one, never by comparing two machines' wall clocks. An
    observer or server that was itself stalled first takes in pending refreshes, then grants every member a fresh ttl.
    Every method is thread-safe and raises `RendezvousConnectionError` when the store is out of reach or closed.
    """

    @abstractmethod
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        """Become a member with a new id, behind all others. `payload` has at most 4096 bytes (`ValueError`).

        If the answer is lost the entry may exist; it is not refreshed, so it ends after `ttl` seconds.
        """

    @abstractmethod
    def update(self, member: MemberLease, payload: bytes) -> bool:
        """Replace the payload and refresh the lease. False: the membership has ended, for good.

        Not to be called while another thread refreshes the same lease: an update that is overtaken changes nothing.
        """

    @abstractmethod
    def refresh(self, member: MemberLease) -> bool:
        """Renew the lease. False: the membership has ended, for good; only a new `enter` makes a new one."""

    @abstractmethod
    def leave(self, member: MemberLease) -> None:
        """End the membership now. Idempotent; a membership that has ended already is not an error."""

    @abstractmethod
    def members(self) -> MembersView:
        """Return all members, read after this call began."""

    @abstractmethod
    def first(self, k: int) -> MembersView:
        """Return the first `k` in entry order, read after this call began.

        Its version may cover no more than these: wait with a version of `members`.
        """

    @abstractmethod
    def count(self) -> int:
        """Return the number of members."""

    @abstractmethod
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        """Wait until the version differs from `version`, at most `timeout` seconds; True if it does.

        None: True at once. No change that happened after `version` was read is ever missed.
        """
