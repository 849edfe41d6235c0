"""Lines that nobody on the way can read: a toy that stands for TLS, as good as a key that stands in the source."""

from __future__ import annotations

import base64
import hashlib
import os

KEY = b"known to the mutants' server and its clients"
NONCE = 16
MARK = b"~"


def sealed_line(line: bytes) -> bytes:
    """Return a line encrypted with a stream of its own."""
    nonce = os.urandom(NONCE)
    return MARK + base64.b64encode(nonce + _mixed(line, nonce))


def is_sealed(line: bytes) -> bool:
    """Return whether a line that was received is encrypted; JSON never begins so."""
    return line.startswith(MARK)


def opened_line(line: bytes) -> bytes:
    """Return what a line says, whether it is encrypted or not."""
    if not is_sealed(line):
        return line
    sealed = base64.b64decode(line[len(MARK) :])
    return _mixed(sealed[NONCE:], sealed[:NONCE])


def _mixed(text: bytes, nonce: bytes) -> bytes:
    stream = hashlib.shake_256(KEY + nonce).digest(len(text))
    return (int.from_bytes(text, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(text), "big")
