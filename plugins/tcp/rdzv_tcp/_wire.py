"""The wire format: frames and the messages in them. No socket is touched here; docs/tcp-wire.md is the specification.

A frame is 8 bytes of header (big-endian: length of the body, request id) and a body of MessagePack. The id stands
outside the body, so that one encoded body can answer any number of waiting requests.
"""

from __future__ import annotations

import struct
from typing import Annotated, Final, TypeAlias

import msgspec

PROTOCOL: Final = 1
"""The version that both sides must speak; the shapes of `Hello`, `Welcome` and `Refused` never change."""

MAX_STATE_BYTES: Final = 8 * 1024 * 1024
MAX_FRAME_BYTES: Final = MAX_STATE_BYTES + 64 * 1024
"""The longest body of a frame; whoever announces a longer one is disconnected before any of it is kept."""

MAX_HELLO_BYTES: Final = 1024
"""The longest first frame: a peer that has not introduced itself costs no more than this."""

NONCE_BYTES: Final = 16

HEADER: Final = struct.Struct(">II")

Nonce: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]


class WireError(Exception):
    """The peer sent what is no frame or no message; the connection can not go on."""


class _Message(msgspec.Struct, array_like=True, gc=False):
    """A message: an array of its tag and its fields in order; a later version may append fields."""


# What a client sends. Its first frame is Hello; the answer to a request carries the request's id.


class Hello(_Message, tag="hello"):
    protocol: int


class Get(_Message, tag="get"):
    key: str


class Set(_Message, tag="set"):
    """Write `state` if the register's token is `expected` (None: if there is none). `nonce` becomes the token."""

    key: str
    state: bytes
    nonce: Nonce
    expected: bytes | None


class Delete(_Message, tag="delete"):
    """Delete the register if its token is `expected` (None: whatever is there)."""

    key: str
    nonce: Nonce
    expected: bytes | None


class Wait(_Message, tag="wait"):
    """Answer as soon as the register's token is not `token` (None: as soon as there is a state), or `Unchanged`."""

    key: str
    token: bytes | None
    seconds: float


class RawGet(_Message, tag="raw-get"):
    key: str


class RawSet(_Message, tag="raw-set"):
    """Put `value` there whatever was there: a sealed envelope becomes a state, anything else a corrupt record."""

    key: str
    value: bytes
    nonce: Nonce


# What a server answers.


class Welcome(_Message, tag="welcome"):
    """`incarnation` is new whenever the server's memory is; `server` says who it is, for error messages only."""

    protocol: int
    incarnation: bytes
    server: str


class Refused(_Message, tag="refused"):
    """The last frame before the server closes the connection, with the id 0."""

    protocol: int
    reason: str


class Found(_Message, tag="found"):
    state: bytes
    token: Nonce


class Absent(_Message, tag="absent"):
    pass


class Corrupt(_Message, tag="corrupt"):
    reason: str


class Done(_Message, tag="done"):
    """The write took effect: by this request, or by an earlier one with its nonce."""


class Kept(_Message, tag="kept"):
    """The deletion changed nothing: there was nothing, or the token was another."""


class Unchanged(_Message, tag="unchanged"):
    pass


class Value(_Message, tag="value"):
    value: bytes


Request: TypeAlias = Hello | Get | Set | Delete | Wait | RawGet | RawSet
Answer: TypeAlias = Welcome | Refused | Found | Absent | Corrupt | Done | Kept | Unchanged | Value

decode_request: Final = msgspec.msgpack.Decoder(Request).decode
decode_answer: Final = msgspec.msgpack.Decoder(Answer).decode
encode: Final = msgspec.msgpack.Encoder().encode


def frame(request_id: int, body: bytes) -> bytes:
    """Give the frame that carries `body`."""
    return HEADER.pack(len(body), request_id) + body
