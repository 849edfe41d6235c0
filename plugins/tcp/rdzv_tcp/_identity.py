"""Who this process is to the servers at which it is a member: a name that its next connection claims again."""

from __future__ import annotations

import os
import secrets

from rdzv_core.endpoint import HostPort
from rdzv_tcp._message import NONCE_BYTES

_identity = secrets.token_bytes(NONCE_BYTES)
_homes: set[HostPort] = set()


def identity() -> bytes:
    """Give this process's name; another one after a fork, since what the parent entered ends with the parent."""
    return _identity


def settle(endpoint: HostPort) -> None:
    """Note that this process enters members at `endpoint`."""
    _homes.add(endpoint)


def is_settled(endpoint: HostPort) -> bool:
    """Say whether this process has entered members at `endpoint`."""
    return endpoint in _homes


def _after_fork_in_child() -> None:
    global _identity
    _identity = secrets.token_bytes(NONCE_BYTES)
    _homes.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
