"""Cutting a stream of bytes into messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from rdzv_tcp._wire import HEADER, WireError

M = TypeVar("M")


class FrameReader(Generic[M]):
    """Takes bytes as they come, gives messages. Holds what was fed and not yet taken, never what was only announced.

    `limit` is the longest body that is accepted; it may be changed between two frames.
    """

    def __init__(self, decode: Callable[[memoryview], M], limit: int) -> None:
        self.limit = limit
        self._decode = decode
        self._buffer = bytearray()

    def feed(self, data: bytes | memoryview) -> None:
        """Take what was received."""
        self._buffer += data

    def take(self) -> tuple[int, M] | None:
        """Give the next request id and message, None until one is whole.

        Raises `WireError` for a body over the limit, as soon as its header is there, and for one that is no message.
        """
        buffer = self._buffer
        if len(buffer) < HEADER.size:
            return None
        length, request_id = HEADER.unpack_from(buffer)
        if length > self.limit:
            raise WireError(f"a frame of {length} bytes was announced, at most {self.limit} are accepted")
        end = HEADER.size + length
        if len(buffer) < end:
            return None
        try:
            # The views are released here: a bytearray that is exported can not be shortened.
            with memoryview(buffer) as whole, whole[HEADER.size : end] as body:
                message = self._decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise WireError(f"a frame of {length} bytes holds no known message: {error}") from error
        del buffer[:end]
        return request_id, message
