"""The shared secret, proved by challenge and response.

Each side proves with an HMAC over both sides' challenges that it knows the secret, the client first. The secret itself
is never sent. Protocol version and role are part of what is proved: no proof serves twice, nor for the other side.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Literal

from rdzv_tcp._protocol.handshake_messages import CHALLENGE_BYTES, PROTOCOL

Role = Literal["client", "server"]


def prove(secret: bytes, role: Role, client_challenge: bytes, server_challenge: bytes) -> bytes:
    """Return the proof of one side, for these two challenges and no others."""
    text = b"rdzv-tcp %d %b\0%b%b" % (PROTOCOL, role.encode(), client_challenge, server_challenge)
    return hmac.digest(secret, text, hashlib.sha256)


def new_challenge() -> bytes:
    """Return what a proof has to be made for: random, never used again."""
    return secrets.token_bytes(CHALLENGE_BYTES)
