"""What the state machine wants done (operations and outcomes), and nothing of how it is done."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar

from rdzv_core._handler.head import Head, Seat
from rdzv_core._handler.roster import PackedRoster
from rdzv_core._handler.worker_ranks import WorkerCounts
from rdzv_core.abc import MemberLease, Token


class Channel(enum.Enum):
    """What runs side by side: on each channel at most one operation is under way."""

    HEAD_READ = enum.auto()
    HEAD_WAIT = enum.auto()
    HEAD_WRITE = enum.auto()
    ROSTER = enum.auto()
    MEMBERS_READ = enum.auto()
    MEMBERS_WAIT = enum.auto()
    LEASE = enum.auto()

    __hash__ = (
        object.__hash__
    )  # the one of enum hashes the name, again and again, in a dict that every event looks into


WAITS = frozenset({Channel.HEAD_WAIT, Channel.MEMBERS_WAIT})
"""What is answered when something has changed, and not before."""


@dataclass(frozen=True, eq=False)
class Operation:
    """Something to be done on the store; its result, or its error, is handed back with it."""

    channel: ClassVar[Channel]

    started: float


@dataclass(frozen=True, eq=False)
class ReadHead(Operation):
    """Read the register; the result is a `StateSnapshot` or None."""

    channel = Channel.HEAD_READ


@dataclass(frozen=True, eq=False)
class WaitHead(Operation):
    """Wait for the register's token to differ; the result is `(changed, snapshot)`."""

    channel = Channel.HEAD_WAIT
    token: Token | None
    timeout: float


@dataclass(frozen=True, eq=False)
class WriteHead(Operation):
    """Compare and set the register, after the roster's value where there is one; the result is a `SetStateResult`."""

    channel = Channel.HEAD_WRITE
    head: Head
    token: Token | None
    roster: PackedRoster | None = None


@dataclass(frozen=True, eq=False)
class FetchRoster(Operation):
    """Fetch the roster that a digest names; the result is its seats."""

    channel = Channel.ROSTER
    digest: str


@dataclass(frozen=True, eq=False)
class FindRank(Operation):
    """Look up a member in the roster that a digest names; the result is its rank or None."""

    channel = Channel.ROSTER
    digest: str
    pages: int
    member: str


@dataclass(frozen=True, eq=False)
class ReadMembers(Operation):
    """Read the memberships, the first `limit` or all, after the register's token `based_on` was read."""

    channel = Channel.MEMBERS_READ
    limit: int | None = None
    based_on: Token | None = None


@dataclass(frozen=True, eq=False)
class WaitMembers(Operation):
    """Wait for the memberships' version to differ; the result is a bool."""

    channel = Channel.MEMBERS_WAIT
    version: Token
    timeout: float


@dataclass(frozen=True, eq=False)
class Enter(Operation):
    """Become a member; the result is a `MemberLease`."""

    channel = Channel.LEASE
    payload: bytes
    ttl: float


@dataclass(frozen=True, eq=False)
class Update(Operation):
    """Replace the payload and refresh; the result is a bool."""

    channel = Channel.LEASE
    member: MemberLease
    payload: bytes


@dataclass(frozen=True, eq=False)
class Refresh(Operation):
    """Renew the lease; the result is a bool."""

    channel = Channel.LEASE
    member: MemberLease


@dataclass(frozen=True, eq=False)
class Leave(Operation):
    """End the membership; the result is None."""

    channel = Channel.LEASE
    member: MemberLease


@dataclass(frozen=True)
class Assignment:
    """The roster that this node is in, and its own place there. `roster` is empty where `digest` names it.

    `workers` are how many each node runs, as the head holds them.
    """

    epoch: str
    round: int
    fence: int
    rank: int
    size: int
    member: str
    master: str
    roster: tuple[Seat, ...] = ()
    digest: str = ""
    workers: WorkerCounts = ""


def held_in(head: Head, rank: int, member: str) -> Assignment:
    """Return a member's place in the roster of `head`."""
    master = head.master if head.digest else head.roster[0].address
    roster = () if head.digest else head.roster
    return Assignment(
        head.epoch, head.round, head.fence, rank, head.size, member, master, roster, head.digest, head.workers
    )


@dataclass(frozen=True)
class RoundJoined:
    """Outcome: the asked-for round has formed with this node in it."""

    held: Assignment


@dataclass(frozen=True)
class Failed:
    """Outcome: the asked-for round will not form for this node."""

    error: Exception


@dataclass(frozen=True)
class DepartureDone:
    """Outcome: this node has left or finished. It is `kept` if the head says how, so that nobody counts it as lost."""

    kept: bool = False


@dataclass(frozen=True)
class Closed:
    """Outcome: the run is closed; `error` where it could not be."""

    error: Exception | None = None


@dataclass(frozen=True)
class Notice:
    """Outcome: a line for the operator of this node; `grave` if something is wrong."""

    text: str
    grave: bool = True


Outcome = RoundJoined | Failed | DepartureDone | Closed | Notice
