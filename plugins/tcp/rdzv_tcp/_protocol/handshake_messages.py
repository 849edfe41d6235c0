"""The messages of the handshake: who is there, and who may use the server.

A client's first frame is `Hello`. The shapes of `Hello`, `Welcome` and `Refused` never change.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec

from rdzv_tcp._protocol.base import Message

PROTOCOL: Final = 2
"""The version that both sides must speak."""

CHALLENGE_BYTES: Final = 32

Bytes32: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=CHALLENGE_BYTES, max_length=CHALLENGE_BYTES)]

# Sent by a client.


class Hello(Message, tag="hello"):
    """`challenge` is 32 random bytes from a client that has a secret and wants the server's proof; else empty.

    `address` is the client's end of the connection as the client sees it, written by `address_of`: where the server
    sees another, there is a proxy or an address translation between them.
    """

    protocol: int
    challenge: bytes = b""
    address: str = ""


class Proof(Message, tag="proof"):
    """Proof that the client knows the secret: the answer to a `Challenge`."""

    proof: Bytes32


# Sent by a server.


class Challenge(Message, tag="challenge"):
    """The answer to the hello of a client that has to prove that it knows the secret."""

    challenge: Bytes32


class Welcome(Message, tag="welcome"):
    """`incarnation` is new whenever the server's memory is; `server` names its process, for error messages only.

    `proof` answers the client's challenge. `durable`: registers are kept on disk. `guarded`: nobody is served without
    credentials.
    """

    protocol: int
    incarnation: bytes
    server: str
    proof: bytes = b""
    durable: bool = False
    guarded: bool = False


class Refused(Message, tag="refused"):
    """The last frame before the server closes the connection, with the id 0. `passing`: waiting may help."""

    protocol: int
    reason: str
    passing: bool = False
