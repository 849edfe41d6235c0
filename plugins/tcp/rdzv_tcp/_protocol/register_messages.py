"""The messages about registers. Every write carries a nonce, which becomes the register's token."""

from __future__ import annotations

from rdzv_tcp._protocol.base import Message, Nonce

# Sent by a client.


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
    """Ask for what a store would keep: a state in its envelope, or what could not be read as one."""

    key: str


class ListKeys(Message, tag="list-keys"):
    """Ask for the keys of registers that come after this one, in order."""

    after: str


# Sent by a server.


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
