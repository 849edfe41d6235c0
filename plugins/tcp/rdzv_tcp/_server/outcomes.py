"""What comes of a request: an answer, a wait, or a write."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import msgspec

from rdzv_tcp._protocol import Answer, WriteRequest
from rdzv_tcp._server.wait_requests import WaitRequest


class Write(msgspec.Struct, gc=False):
    """`request` changes the state: it is to be committed, and answered then."""

    request: WriteRequest


Outcome: TypeAlias = Answer | WaitRequest | Write


class Caller(Protocol):
    """The connection that asks."""

    direct: bool
    """Whether the client's process is at the other end, and no proxy, whose end would say nothing of the client."""
    said_end: bool
    """Whether its end came from the other side, in order: so a process ends, also one that is killed."""
