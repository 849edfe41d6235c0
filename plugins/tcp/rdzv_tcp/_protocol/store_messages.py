"""The messages about the stores of rounds. A store is named by its run and its prefix."""

from __future__ import annotations

from rdzv_tcp._protocol.base import Message, Name, Nonce

# What a client sends. A nonce names a write, as with registers: it takes effect once.


class StoreSet(Message, tag="store-set"):
    run: Name
    prefix: Name
    items: dict[str, bytes]
    nonce: Nonce


class StoreGet(Message, tag="store-get"):
    """Answer as soon as all of `keys` are there, or after `seconds` with those that are missing.

    `values` false: the answer is `Done` instead of the values.
    """

    run: Name
    prefix: Name
    keys: list[str]
    seconds: float
    values: bool


class StoreCompareSet(Message, tag="store-compare-set"):
    """Set `key` to `desired` if it is `expected` (None: absent); else the answer is what is there."""

    run: Name
    prefix: Name
    key: str
    expected: bytes | None
    desired: bytes
    nonce: Nonce


class StoreAdd(Message, tag="store-add"):
    """Add `amount`, decimal text as it may be of any size, to the integer at `key`."""

    run: Name
    prefix: Name
    key: str
    amount: str
    nonce: Nonce


class StoreDelete(Message, tag="store-delete"):
    run: Name
    prefix: Name
    key: str
    nonce: Nonce


class StoreCount(Message, tag="store-count"):
    run: Name
    prefix: Name


# What a server answers.


class Values(Message, tag="values"):
    """The values of the first keys that were asked for: as many as fit, at least one."""

    values: list[bytes]


class Missing(Message, tag="missing"):
    keys: list[str]


class Count(Message, tag="count"):
    count: int


class NoInteger(Message, tag="no-integer"):
    """The beginning of what is at the key, which is not an integer to add to."""

    value: bytes


class Over(Message, tag="over"):
    """The store was dropped: the run has newer ones."""
