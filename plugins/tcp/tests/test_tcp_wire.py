"""The wire format, without sockets."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdzv_tcp import _protocol as wire
from rdzv_tcp._protocol import FrameReader

NONCE = bytes(range(16))
REQUESTS = [
    wire.Hello(1),
    wire.Get("k"),
    wire.Set("k", b"\x00\xff", NONCE, None),
    wire.Set("k", b"", NONCE, b""),
    wire.Delete("k", NONCE, NONCE),
    wire.Wait("k", None, 1.5),
    wire.RawGet("ä/\x00"),
]
ANSWERS = [
    wire.Welcome(1, NONCE, "process 1 on n"),
    wire.Refused(1, "no"),
    wire.Found(b"s", NONCE),
    wire.Absent(),
    wire.Corrupt("torn"),
    wire.Done(),
    wire.Kept(),
    wire.Unchanged(),
    wire.Value(b""),
]


def reader(limit: int = 1000) -> FrameReader[wire.Request]:
    return FrameReader(wire.decode_request, limit)


@pytest.mark.parametrize("message", REQUESTS, ids=str)
def test_every_request_comes_out_as_it_went_in(message: wire.Request) -> None:
    """A request survives being encoded and decoded."""
    assert wire.decode_request(wire.encode(message)) == message


@pytest.mark.parametrize("message", ANSWERS, ids=str)
def test_every_answer_comes_out_as_it_went_in(message: wire.Answer) -> None:
    """An answer survives being encoded and decoded."""
    assert wire.decode_answer(wire.encode(message)) == message


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.sampled_from(REQUESTS)), max_size=8), st.randoms())
def test_messages_are_found_however_the_stream_is_cut(sent: list[tuple[int, wire.Request]], random: object) -> None:
    """The same messages in the same order come out, whatever pieces the bytes arrive in."""
    stream = b"".join(wire.frame(number, wire.encode(message)) for number, message in sent)
    cutting, taken, at = reader(), [], 0
    while at < len(stream):
        piece = random.randint(1, 40)  # type: ignore[attr-defined]
        cutting.feed(stream[at : at + piece])
        at += piece
        while (one := cutting.take()) is not None:
            taken.append(one)
    assert taken == sent


def test_an_announced_gibibyte_is_refused_before_it_comes() -> None:
    """A body over the limit is refused at its header: nothing of it is waited for."""
    cutting = reader()
    cutting.feed(struct.pack(">II", 2**30, 1))
    with pytest.raises(wire.WireError, match="1073741824 bytes was announced"):
        cutting.take()


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_a_wire_error(data: bytes) -> None:
    """Whatever is received, reading it gives messages or a WireError, and nothing else."""
    cutting = reader(64)
    cutting.feed(data)
    try:
        while cutting.take() is not None:
            pass
    except wire.WireError:
        pass


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_body_is_a_message_or_a_wire_error(body: bytes) -> None:
    """A frame of any content gives a message or a WireError."""
    cutting = reader(64)
    cutting.feed(wire.frame(7, body))
    try:
        taken = cutting.take()
    except wire.WireError:
        return
    assert taken is not None


def test_a_nonce_of_another_length_is_refused() -> None:
    """A write must carry 16 bytes of nonce: they become a token."""
    cutting = reader()
    cutting.feed(wire.frame(1, wire.encode(wire.Set("k", b"", b"short", None))))
    with pytest.raises(wire.WireError, match="no known message"):
        cutting.take()


def test_a_later_version_may_append_fields() -> None:
    """A message with more fields than this version knows is read without them."""
    import msgspec

    assert wire.decode_request(msgspec.msgpack.encode(["get", "k", "more"])) == wire.Get("k")
