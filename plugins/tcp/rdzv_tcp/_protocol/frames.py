"""Frames: how messages are cut out of a stream of bytes, and put into one.

A frame is 8 bytes of header (big-endian: length of the body, request id) and a body of MessagePack. The id stands
outside the body, so that one encoded body can answer any number of waiting requests.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec

from rdzv_tcp._protocol.base import Message

MAX_STATE_BYTES: Final = 8 * 1024 * 1024
MAX_FRAME_BYTES: Final = MAX_STATE_BYTES + 64 * 1024
"""The longest body of a frame; a peer that announces a longer one is disconnected before any of it is kept."""

MAX_HELLO_BYTES: Final = 1024
"""The longest first frame: a peer that has not introduced itself costs no more than this."""

HEADER: Final = struct.Struct(">II")

_encoder: Final = msgspec.msgpack.Encoder()
encode: Final = _encoder.encode


class WireError(Exception):
    """The peer sent something that is not a frame or not a message; the connection cannot go on."""


def frame(request_id: int, body: bytes) -> bytes:
    """Return the frame that carries `body`."""
    return HEADER.pack(len(body), request_id) + body


def framed(request_id: int, message: Message) -> bytearray:
    """Return the frame that carries `message`, which is copied once."""
    data = bytearray(HEADER.size)
    _encoder.encode_into(message, data, HEADER.size)
    HEADER.pack_into(data, 0, len(data) - HEADER.size, request_id)
    return data


M = TypeVar("M")

_HEADER_BYTES = HEADER.size
_unpack_header = HEADER.unpack_from


class FrameReader(Generic[M]):
    """Takes bytes as they come, gives messages. Holds what was fed and not yet taken, never what was only announced.

    `limit` is the longest body that is accepted; it may be changed between two frames. What is fed is read where it
    is, without a copy, until `take` gives None or `keep` is called; only then may its owner write over it.
    """

    __slots__ = ("_buffer", "_decode", "_fed", "_taken", "limit")

    def __init__(self, decode: Callable[[bytes | memoryview], M], limit: int) -> None:
        self.limit = limit
        self._decode = decode
        self._fed: bytes | memoryview = b""
        self._taken = 0
        self._buffer = bytearray()

    @property
    def more(self) -> bool:
        """Return whether anything was fed that was not taken."""
        return self._taken < len(self._fed) or bool(self._buffer)

    def feed(self, data: bytes | memoryview) -> None:
        """Take what was received."""
        self.keep()
        if self._buffer:
            self._buffer += data
        else:
            self._fed = memoryview(data)

    def keep(self) -> None:
        """Copy what was fed and is left."""
        if self._taken < len(self._fed):
            self._buffer += self._fed[self._taken :]
        self._fed, self._taken = b"", 0

    def take(self) -> tuple[int, M] | None:
        """Return the next request id and message, None until one is whole.

        Raises `WireError` for a body over the limit, as soon as its header is there, and for one that is not a message.
        """
        if self._buffer:
            return self._take_kept()
        header = self._header(self._fed, self._taken)
        if header is None:
            self.keep()
            return None
        request_id, start, end = header
        message = self._message(self._fed[start:end])
        self._taken = end
        return request_id, message

    def _take_kept(self) -> tuple[int, M] | None:
        # The views are released here: a bytearray that is exported cannot be shortened.
        with memoryview(self._buffer) as whole:
            header = self._header(whole, 0)
            if header is None:
                return None
            request_id, start, end = header
            with whole[start:end] as body:
                message = self._message(body)
        del self._buffer[:end]
        return request_id, message

    def _header(self, data: bytes | memoryview, at: int) -> tuple[int, int, int] | None:
        """Return the id of the frame at `at`, and where its body begins and ends; None if it is not all there."""
        start = at + _HEADER_BYTES
        if len(data) < start:
            return None
        length, request_id = _unpack_header(data, at)
        if length > self.limit:
            raise WireError(f"a frame of {length} bytes was announced, at most {self.limit} are accepted")
        end = start + length
        return None if len(data) < end else (request_id, start, end)

    def _message(self, body: bytes | memoryview) -> M:
        try:
            return self._decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise WireError(f"a frame of {len(body)} bytes holds no known message: {error}") from error
