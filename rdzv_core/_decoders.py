"""Typed JSON decoders, each made once.

msgspec looks into a type when it is first used. If two threads do that at the same time it can crash the
process (seen with 0.22 and thirty handlers), so it is done here, one type after the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from rdzv_core.forking import hold_forks

T = TypeVar("T")

_lock = threading.Lock()
_decoders: dict[Any, Callable[[bytes], Any]] = {}


def decoder(kind: type[T]) -> Callable[[bytes], T]:
    """Return a decoder of JSON as `kind`, which raises `msgspec.DecodeError` or `UnicodeDecodeError`. Thread-safe."""
    with hold_forks(), _lock:
        if kind not in _decoders:
            _decoders[kind] = msgspec.json.Decoder(kind).decode
        return _decoders[kind]
