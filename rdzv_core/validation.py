"""What every implementation of the contract refuses alike: bad states, payloads, keys, values and ttls."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rdzv_core.abc._membership import MAX_PAYLOAD_BYTES

__all__ = ["checked_key", "checked_keys", "checked_payload", "checked_state", "checked_ttl", "checked_value"]

if TYPE_CHECKING:
    from rdzv_core.abc import RendezvousBackend


def checked_state(backend: RendezvousBackend, state: bytes) -> bytes:
    """Return `state` as bytes, or raise `TypeError`, and `ValueError` if it is longer than the backend takes."""
    state = _as_bytes("a state", state)
    if len(state) > backend.max_state_bytes:
        raise ValueError(
            f"a state of {len(state)} bytes is too long: backend {backend.name!r} takes {backend.max_state_bytes}"
        )
    return state


def checked_payload(payload: bytes) -> bytes:
    """Return `payload` as bytes, or raise `TypeError`, and `ValueError` if it is longer than a member may have."""
    payload = _as_bytes("a member's payload", payload)
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"a member's payload of {len(payload)} bytes is too long: at most {MAX_PAYLOAD_BYTES}")
    return payload


def checked_key(key: str) -> str:
    """Return `key`, or raise `TypeError` unless it is text, `ValueError` where no store can keep it."""
    if not isinstance(key, str):
        raise TypeError(f"a key of a store is text, not {key!r} ({type(key).__name__})")
    try:
        key.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"key {key!r} holds a lone surrogate, which no store can keep") from error
    return key


def checked_keys(keys: Iterable[str]) -> list[str]:
    """Return `keys` as a list, or raise as `checked_key` does; a single text is refused, not taken letter by letter."""
    if isinstance(keys, (str, bytes)):
        raise TypeError(f"expected a list of keys, not the single key {keys!r}: use [{keys!r}]")
    return [checked_key(key) for key in keys]


def checked_value(key: str, value: bytes) -> bytes:
    """Return `value` as bytes, or raise a `TypeError` that says what the value of `key` has to be."""
    return _as_bytes(f"the value of key {key!r}", value)


def _as_bytes(what: str, given: bytes) -> bytes:
    try:
        return bytes(memoryview(given))
    except TypeError:
        remedy = ": encode it first, value.encode()" if isinstance(given, str) else ": encode it first"
        raise TypeError(f"{what} has to be bytes, not {given!r:.60} ({type(given).__name__}){remedy}") from None


def checked_ttl(ttl: float) -> float:
    """Return `ttl`, or raise `ValueError` unless it is a positive, finite number of seconds."""
    if not 0 < ttl <= sys.float_info.max:
        raise ValueError(f"ttl={ttl!r} must be a positive number of seconds")
    return ttl
