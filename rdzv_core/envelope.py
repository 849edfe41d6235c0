"""A readable header that makes corruption visible and every write's token unique, on a store that has neither.

`seal` puts one line before the state: format, nonce, length, CRC-32 of nonce and state. `unseal` takes it off again
or raises `RendezvousStateError`. The nonce (16 random bytes, new for every seal) is a fit fencing token: no two writes
share one, whatever they wrote, and not after a deletion or a restart either.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import zlib
from collections.abc import Iterable

from rdzv_core._errors import RendezvousStateError

__all__ = ["NONCE_BYTES", "OVERHEAD_BYTES", "header", "seal", "seal_text", "unseal", "unseal_text"]

NONCE_BYTES = 16
OVERHEAD_BYTES = 80
"""An upper bound of what `seal` adds to a state."""

_HEADER = re.compile(rb"rdzv1 ([0-9a-f]{32}) (0|[1-9][0-9]{0,18}) ([0-9a-f]{8})\n")


def seal(state: bytes, nonce: bytes | None = None) -> bytes:
    """Wrap `state` for storing; a caller that must recognise its own write passes the 16-byte `nonce`."""
    return header((state,), nonce) + state


def header(parts: Iterable[bytes], nonce: bytes | None = None) -> bytes:
    """Return what `seal` puts before a state that consists of `parts`, for a store that writes them without a copy."""
    nonce = secrets.token_bytes(NONCE_BYTES) if nonce is None else nonce
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
    size, checksum = 0, zlib.crc32(nonce)
    for part in parts:
        size, checksum = size + len(part), zlib.crc32(part, checksum)
    return b"rdzv1 %b %d %08x\n" % (nonce.hex().encode(), size, checksum)


def unseal(raw: bytes) -> tuple[bytes, bytes]:
    """Return `(state, nonce)` of what `seal` made; anything else raises `RendezvousStateError`."""
    header = _HEADER.match(raw)
    if header is None:
        raise RendezvousStateError(f"no rdzv state: it starts with {bytes(raw[:40])!r} instead of an rdzv1 header line")
    nonce, state = bytes.fromhex(header[1].decode()), bytes(raw[header.end() :])
    if len(state) != int(header[2]):
        raise RendezvousStateError(f"torn rdzv state: its header says {int(header[2])} bytes, but {len(state)} follow")
    if _checksum(nonce, state) != int(header[3], 16):
        raise RendezvousStateError(f"corrupt rdzv state: the checksum does not match its {len(state)} bytes")
    return state, nonce


def seal_text(state: bytes, nonce: bytes | None = None) -> str:
    """Like `seal`, in ASCII, for a store that takes text only; a third longer."""
    return base64.b64encode(seal(state, nonce)).decode("ascii")


def unseal_text(text: str) -> tuple[bytes, bytes]:
    """Return `(state, nonce)` of what `seal_text` made; anything else raises `RendezvousStateError`."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RendezvousStateError(f"no rdzv state: {text[:40]!r} is not base64") from error
    return unseal(raw)


def _checksum(nonce: bytes, state: bytes) -> int:
    return zlib.crc32(state, zlib.crc32(nonce))
