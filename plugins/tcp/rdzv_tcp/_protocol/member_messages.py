"""The messages about memberships. A member's id is unique among all runs, so that a renewal need not name its run."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec

from rdzv_core.abc._membership import MAX_PAYLOAD_BYTES
from rdzv_tcp._protocol.base import Message, Name, Nonce

Payload: TypeAlias = Annotated[bytes, msgspec.Meta(max_length=MAX_PAYLOAD_BYTES)]

MAX_PLACE: Final = 2**31 - 1

Place: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MAX_PLACE)]

# What a client sends.


class Claim(Message, tag="claim"):
    """This connection is `client`'s: while it lives, it keeps what `client` entered from the grace period."""

    client: Nonce


class Enter(Message, tag="enter"):
    """Become a member of `run`, behind all who are there. The same entry again is done once."""

    run: Name
    member: Nonce
    payload: Payload
    ttl: Annotated[float, msgspec.Meta(gt=0)]
    client: Nonce


class Renew(Message, tag="renew"):
    """Renew the lease, and replace the payload if there is one; older than the last that came, it changes nothing."""

    member: Nonce
    sequence: int
    payload: Payload | None


class Leave(Message, tag="leave"):
    member: Nonce


class Members(Message, tag="members"):
    """Ask for at most `limit` members (None: all), leaving out the first `start`."""

    run: Name
    start: Place
    limit: Place | None


class WaitMembers(Message, tag="wait-members"):
    """Answer as soon as the run's version is not `version`, or `Unchanged`."""

    run: Name
    version: bytes
    seconds: float


# What a server answers.


class Entered(Message, tag="entered"):
    """`ahead` is how many members of the run were there before; None where the entry was made before."""

    incarnation: bytes
    ahead: int | None = None


class Ended(Message, tag="ended"):
    """There is no such member, or it has ended."""


class View(Message, tag="view"):
    """As many of the members that were asked for as fit; `total` is how many there are."""

    incarnation: bytes
    version: bytes
    total: int
    members: list[tuple[bytes, bytes]]


class Changed(Message, tag="changed"):
    pass
