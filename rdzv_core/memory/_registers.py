"""The registers: sealed states by key."""

from __future__ import annotations

import secrets

from rdzv_core.abc import SetStateResult, StateSnapshot
from rdzv_core.envelope import NONCE_BYTES, seal, unseal


class RegisterTable:
    """Compare-and-set registers; the caller holds the hub's lock.

    `raw` holds the sealed states, as a store would hold them on disk: what does not unseal is corrupt. The fencing
    token is the envelope's nonce.
    """

    def __init__(self) -> None:
        self.raw: dict[str, bytes] = {}

    def get(self, key: str) -> StateSnapshot | None:
        """Return what is there; `RendezvousStateError` if it is corrupt."""
        raw = self.raw.get(key)
        return None if raw is None else StateSnapshot(*unseal(raw))

    def set(self, key: str, state: bytes, token: object) -> SetStateResult | None:
        """Write if `token` is the current one, or None and there is nothing; return what is there afterwards."""
        there = self.get(key)
        if there is None and token is not None:
            return None
        if there is not None and not is_token(token, there):
            return SetStateResult(*there, False)
        nonce = secrets.token_bytes(NONCE_BYTES)
        self.raw[key] = seal(state, nonce)
        return SetStateResult(state, nonce, True)

    def delete(self, key: str, token: object) -> bool:
        """Delete if `token` is the current one; None deletes whatever there is, corrupt or not."""
        if token is not None:
            there = self.get(key)
            if there is None or not is_token(token, there):
                return False
        return self.raw.pop(key, None) is not None


def is_token(token: object, there: StateSnapshot) -> bool:
    """Return whether `token` is that of `there`; of a foreign type it never is, whatever its own comparison says."""
    return type(token) is bytes and token == there.token
