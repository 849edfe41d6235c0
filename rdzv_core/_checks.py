"""What every implementation of the contract refuses alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rdzv_core.abc._membership import MAX_PAYLOAD_BYTES

if TYPE_CHECKING:
    from rdzv_core.abc import RendezvousBackend


def checked_state(backend: RendezvousBackend, state: bytes) -> bytes:
    """Give `state` as bytes, or raise `ValueError` if it is longer than the backend takes."""
    state = bytes(memoryview(state))
    if len(state) > backend.max_state_bytes:
        raise ValueError(
            f"a state of {len(state)} bytes is too long: backend {backend.name!r} takes {backend.max_state_bytes}"
        )
    return state


def checked_payload(payload: bytes) -> bytes:
    """Give `payload` as bytes, or raise `ValueError` if it is longer than a member may have."""
    payload = bytes(memoryview(payload))
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"a member's payload of {len(payload)} bytes is too long: at most {MAX_PAYLOAD_BYTES}")
    return payload


def checked_ttl(ttl: float) -> float:
    """Give `ttl`, or raise `ValueError` unless it is a positive, finite number of seconds."""
    if not (ttl > 0 and math.isfinite(ttl)):
        raise ValueError(f"ttl={ttl!r} must be a positive number of seconds")
    return ttl
