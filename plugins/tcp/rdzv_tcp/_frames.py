"""Cutting a stream of bytes into messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from rdzv_tcp._wire import HEADER, WireError

M = TypeVar("M")

_NOTHING = memoryview(b"")


class FrameReader(Generic[M]):
    """Takes bytes as they come, gives messages. Holds what was fed and not yet taken, never what was only announced.

    `limit` is the longest body that is accepted; it may be changed between two frames. What is fed is read where it
    is, without a copy, until `take` gives None or `keep` is called; only then may its owner write over it.
    """

    def __init__(self, decode: Callable[[memoryview], M], limit: int) -> None:
        self.limit = limit
        self._decode = decode
        self._fed = _NOTHING
        self._buffer = bytearray()

    def feed(self, data: bytes | memoryview) -> None:
        """Take what was received."""
        self.keep()
        if self._buffer:
            self._buffer += data
        else:
            self._fed = memoryview(data)

    def keep(self) -> None:
        """Copy what was fed and is left."""
        if self._fed:
            self._buffer += self._fed
        self._fed = _NOTHING

    def take(self) -> tuple[int, M] | None:
        """Give the next request id and message, None until one is whole.

        Raises `WireError` for a body over the limit, as soon as its header is there, and for one that is no message.
        """
        if self._buffer:
            # The views are released here: a bytearray that is exported can not be shortened.
            with memoryview(self._buffer) as whole:
                found = self._first(whole)
            if found is not None:
                del self._buffer[: found[0]]
        else:
            found = self._first(self._fed)
            if found is None:
                self.keep()
            else:
                self._fed = self._fed[found[0] :]
        return None if found is None else found[1:]

    def _first(self, data: memoryview) -> tuple[int, int, M] | None:
        """Give where the first frame ends, its id and its message."""
        if len(data) < HEADER.size:
            return None
        length, request_id = HEADER.unpack_from(data)
        if length > self.limit:
            raise WireError(f"a frame of {length} bytes was announced, at most {self.limit} are accepted")
        end = HEADER.size + length
        if len(data) < end:
            return None
        try:
            with data[HEADER.size : end] as body:
                return end, request_id, self._decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise WireError(f"a frame of {length} bytes holds no known message: {error}") from error
