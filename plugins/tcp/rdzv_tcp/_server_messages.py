"""The messages about the server itself: who may use it, how it is, and that it could not do what it was asked."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec

from rdzv_tcp._message import Message

CHALLENGE_BYTES: Final = 32

Bytes32: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=CHALLENGE_BYTES, max_length=CHALLENGE_BYTES)]

# What a client sends.


class Proof(Message, tag="proof"):
    """That the client knows the secret: the answer to a `Challenge`."""

    proof: Bytes32


class Health(Message, tag="health"):
    """Ask how the server is."""


# What a server answers.


class Challenge(Message, tag="challenge"):
    """The answer to the hello of a client that has to prove that it knows the secret."""

    challenge: Bytes32


class Failed(Message, tag="failed"):
    """The write could not be kept on disk. It was not done, unless `reason` says otherwise."""

    reason: str


class Healthy(Message, tag="healthy"):
    """How the server is. `uptime` is in seconds; `data_dir` is empty if nothing is kept on disk.

    `runs` are those that have members; `memory` is what the server's process has resident, in bytes, 0 if the system
    does not say. `durable` and `guarded` as in `Welcome`; `incarnation` is that of the memory of registers.
    """

    server: str
    uptime: float
    connections: int
    registers: int
    version: str
    data_dir: str
    runs: int = 0
    members: int = 0
    memory: int = 0
    durable: bool = False
    guarded: bool = False
    incarnation: bytes = b""
