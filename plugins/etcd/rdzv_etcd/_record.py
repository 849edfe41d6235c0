"""What the key of a register holds: the sealed state, its nonce, and the revision that wrote it."""

from __future__ import annotations

import secrets
from typing import NamedTuple

from rdzv_core import RendezvousStateError, SetStateResult, StateSnapshot, Token
from rdzv_core.envelope import NONCE_BYTES, seal, unseal
from rdzv_etcd._client import messages

MAX_STATE_BYTES = 1024 * 1024
"""etcd refuses requests over 1.5 MiB unless configured otherwise."""


class Version(NamedTuple):
    """The nonce of a write, and the revision that it got."""

    nonce: bytes
    revision: int


class Record(NamedTuple):
    """A state as it was read."""

    state: bytes
    version: Version

    @property
    def snapshot(self) -> StateSnapshot:
        """The state and its token, which is the nonce."""
        return StateSnapshot(self.state, self.version.nonce)

    @property
    def refusal(self) -> SetStateResult:
        """The result of a write that this record stood in the way of."""
        return SetStateResult(self.state, self.version.nonce, False)


def read_record(key: bytes, found: messages.KeyValue) -> Record:
    """Unseal what a key holds; raises `RendezvousStateError`."""
    try:
        state, nonce = unseal(found.value)
    except RendezvousStateError as error:
        raise RendezvousStateError(
            f"backend 'etcd': key {key.decode()!r} at revision {found.revision} cannot be read: {error}; "
            "it is left as it is, `etcdctl del` removes it"
        ) from error
    return Record(state, Version(nonce, found.revision))


def if_still(key: bytes, version: Version) -> list[messages.Message]:
    """Return the comparison: the key holds that very write."""
    header = seal(b"", version.nonce)
    readable = version.nonce.hex().encode("ascii")
    return messages.if_unchanged(key, version.revision, header[: header.index(readable) + len(readable)])


def is_token_of(token: Token, nonce: Token) -> bool:
    """Return whether `token`, of whatever type, is the one of the write with `nonce`."""
    return isinstance(token, bytes) and token == nonce


def new_nonce() -> bytes:
    """Return a nonce for one write."""
    return secrets.token_bytes(NONCE_BYTES)
