"""The wire format: frames and the messages in them. No socket is touched here; docs/tcp-wire.md is the specification.

A frame is 8 bytes of header (big-endian: length of the body, request id) and a body of MessagePack. The id stands
outside the body, so that one encoded body can answer any number of waiting requests.
"""

from __future__ import annotations

import struct
from typing import Final, TypeAlias

import msgspec

from rdzv_tcp._member_messages import (
    Changed,
    Claim,
    Ended,
    Enter,
    Entered,
    Leave,
    Members,
    Renew,
    View,
    WaitMembers,
)
from rdzv_tcp._message import Message, Nonce
from rdzv_tcp._server_messages import Challenge, Failed, Health, Healthy, Proof
from rdzv_tcp._store_messages import (
    Count,
    Missing,
    NoInteger,
    Over,
    StoreAdd,
    StoreCompareSet,
    StoreCount,
    StoreDelete,
    StoreGet,
    StoreSet,
    Values,
)

PROTOCOL: Final = 2
"""The version that both sides must speak; the shapes of `Hello`, `Welcome` and `Refused` never change."""

MAX_STATE_BYTES: Final = 8 * 1024 * 1024
MAX_FRAME_BYTES: Final = MAX_STATE_BYTES + 64 * 1024
"""The longest body of a frame; whoever announces a longer one is disconnected before any of it is kept."""

MAX_HELLO_BYTES: Final = 1024
"""The longest first frame: a peer that has not introduced itself costs no more than this."""

HEADER: Final = struct.Struct(">II")


class WireError(Exception):
    """The peer sent what is no frame or no message; the connection cannot go on."""


# What a client sends. Its first frame is Hello; the answer to a request carries the request's id.


class Hello(Message, tag="hello"):
    """`challenge` is 32 random bytes from a client that has a secret, and wants the server's proof; else empty.

    `address` is the client's end of the connection as the client sees it, written by `address_of`: where the server
    sees another, there is a proxy or an address translation between them.
    """

    protocol: int
    challenge: bytes = b""
    address: str = ""


class Get(Message, tag="get"):
    key: str


class Set(Message, tag="set"):
    """Write `state` if the register's token is `expected` (None: if there is none). `nonce` becomes the token."""

    key: str
    state: bytes
    nonce: Nonce
    expected: bytes | None


class Delete(Message, tag="delete"):
    """Delete the register if its token is `expected` (None: whatever is there)."""

    key: str
    nonce: Nonce
    expected: bytes | None


class Wait(Message, tag="wait"):
    """Answer as soon as the register's token is not `token` (None: as soon as there is a state), or `Unchanged`."""

    key: str
    token: bytes | None
    seconds: float


class RawGet(Message, tag="raw-get"):
    key: str


class RawSet(Message, tag="raw-set"):
    """Put `value` there whatever was there: a sealed envelope becomes a state, anything else a corrupt record."""

    key: str
    value: bytes
    nonce: Nonce


class ListKeys(Message, tag="list-keys"):
    """Ask for the keys of registers that come after this one, in order."""

    after: str


# What a server answers.


class Welcome(Message, tag="welcome"):
    """`incarnation` is new whenever the server's memory is; `server` says who it is, for error messages only.

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


class Found(Message, tag="found"):
    state: bytes
    token: Nonce


class Absent(Message, tag="absent"):
    pass


class Corrupt(Message, tag="corrupt"):
    reason: str


class Done(Message, tag="done"):
    """The write took effect: by this request, or by an earlier one with its nonce."""


class Kept(Message, tag="kept"):
    """The deletion changed nothing: there was nothing, or the token was another."""


class Unchanged(Message, tag="unchanged"):
    pass


class Value(Message, tag="value"):
    value: bytes


class Keys(Message, tag="keys"):
    """The next keys in order, as many as fit; none: there are no more."""

    keys: list[str]


RegisterRequest: TypeAlias = Get | Set | Delete | Wait | RawGet | RawSet | ListKeys
MemberRequest: TypeAlias = Claim | Enter | Renew | Leave | Members | WaitMembers
StoreRequest: TypeAlias = StoreSet | StoreGet | StoreCompareSet | StoreAdd | StoreDelete | StoreCount
Request: TypeAlias = Hello | Proof | Health | RegisterRequest | MemberRequest | StoreRequest

RegisterAnswer: TypeAlias = Found | Absent | Corrupt | Done | Kept | Unchanged | Value | Keys
MemberAnswer: TypeAlias = Entered | Ended | View | Changed | Done | Unchanged
StoreAnswer: TypeAlias = Values | Missing | Count | NoInteger | Over | Value | Done | Kept | Absent
Answer: TypeAlias = Welcome | Refused | Challenge | Failed | Healthy | RegisterAnswer | MemberAnswer | StoreAnswer

decode_request: Final = msgspec.msgpack.Decoder(Request).decode
decode_answer: Final = msgspec.msgpack.Decoder(Answer).decode
_encoder: Final = msgspec.msgpack.Encoder()
encode: Final = _encoder.encode


def frame(request_id: int, body: bytes) -> bytes:
    """Give the frame that carries `body`."""
    return HEADER.pack(len(body), request_id) + body


def framed(request_id: int, message: Message) -> bytearray:
    """Give the frame that carries `message`, which is copied once."""
    data = bytearray(HEADER.size)
    _encoder.encode_into(message, data, HEADER.size)
    HEADER.pack_into(data, 0, len(data) - HEADER.size, request_id)
    return data
