"""Feeds bytes to what reads the bytes of a peer, for as long as told; the first surprise ends it with a traceback.

    python plugins/tcp/tests/fuzz_decoder.py --minutes 5

With atheris (pip install atheris; for Pythons of which it has a wheel) the bytes are bred for the code that they reach,
and what surprises is left in a file crash-…; without it hypothesis draws them, and the first line says so. Each input
goes, cut into pieces, through a server's reader, a client's, and a connection of a server that has been greeted. Only
the errors that these promise may come, and a message is read as the same when it is written again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

try:
    import atheris
except ImportError:
    atheris = None

with atheris.instrument_imports(include=["rdzv_tcp"]) if atheris else contextlib.nullcontext():
    from rdzv_tcp import _protocol as wire
    from rdzv_tcp._net.settings import Settings
    from rdzv_tcp._protocol import Challenge, Failed, FrameReader, HealthReport, HealthRequest, Proof
    from rdzv_tcp._protocol import member_messages as members
    from rdzv_tcp._protocol import store_messages as stores
    from rdzv_tcp._server.connection import Connection
    from rdzv_tcp._server.core import Core

LIMIT = 4096
NONCE = bytes(range(16))
SEEDS: list[Any] = [
    wire.Hello(wire.PROTOCOL),
    wire.Hello(wire.PROTOCOL, bytes(32)),
    Proof(bytes(32)),
    HealthRequest(),
    wire.Get("k"),
    wire.Set("k", b"state", NONCE, None),
    wire.Set("k", b"", NONCE, NONCE),
    wire.Delete("k", NONCE, None),
    wire.Wait("k", None, 1.5),
    wire.RawGet("ä/\x00"),
    members.Claim(NONCE),
    members.Enter("run", NONCE, b"payload", 15.0, NONCE),
    members.Renew(NONCE, 3, None),
    members.Renew(NONCE, 4, b"payload"),
    members.Leave(NONCE),
    members.Members("run", 0, None),
    members.WaitMembers("run", b"", 2.0),
    stores.StoreSet("run", "1", {"a": b"1", "b": b""}, NONCE),
    stores.StoreGet("run", "1", ["a", "b"], True, 0.5),
    stores.StoreCompareSet("run", "1", "a", None, b"2", NONCE),
    stores.StoreAdd("run", "1", "n", "1", NONCE),
    stores.StoreDelete("run", "1", "a", NONCE),
    stores.StoreCount("run", "1"),
    wire.Welcome(wire.PROTOCOL, NONCE, "process 1 on n"),
    wire.Refused(wire.PROTOCOL, "no"),
    wire.Found(b"s", NONCE),
    wire.Corrupt("torn"),
    wire.Value(b"v"),
    Challenge(bytes(32)),
    Failed("no space"),
    HealthReport("process 1 on n", 1.5, 1, 2, "0.1", ""),
    members.Entered(NONCE),
    members.Entered(NONCE, 3),
    members.View(NONCE, bytes(24), 1, [(NONCE, b"payload")]),
]


class Recorder(asyncio.Transport):
    """A transport to nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False
        self.socket = socket.socket()

    def write(self, _: Any) -> None: ...

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.socket if name == "socket" else default


def one_input(data: bytes) -> None:
    """Try everything with one input; its first byte says how it is cut."""
    step, data = (data[0] % 64 + 1, data[1:]) if data else (1, b"")
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    for decode in (wire.decode_request, wire.decode_answer):
        whole, cut = read(decode, [data]), read(decode, pieces)
        assert whole == cut, "what is read depends on how it is cut"
    _loop.run_until_complete(converse(pieces))


def read(decode: Any, pieces: list[bytes]) -> list[Any]:
    """Return what a reader makes of the pieces: each message as it is written again, and how it ended."""
    reader: FrameReader[Any] = FrameReader(decode, LIMIT)
    found: list[Any] = []
    try:
        for piece in pieces:
            reader.feed(piece)
            while (taken := reader.take()) is not None:
                request_id, message = taken
                again = wire.encode(message)
                assert wire.encode(decode(again)) == again, message
                found.append((request_id, again))
    except wire.WireError as error:
        found.append(str(error))
    return found


async def converse(pieces: list[bytes]) -> None:
    """Let a connection that was greeted receive the pieces, and be lost."""
    core = Core(Settings())
    peer, transport = Connection(core.shared), Recorder()
    with transport.socket:
        peer.connection_made(transport)
        for piece in [wire.frame(1, wire.encode(wire.Hello(wire.PROTOCOL))), *pieces]:
            if transport.closed:
                break
            core.shared.scratch[: len(piece)] = piece
            peer.buffer_updated(len(piece))
        peer.connection_lost(None)
    await core.finish()
    left = core.connections or len(core.waiters)
    assert not left, "something is left of a lost connection"


def with_atheris(seconds: int) -> None:
    """Breed inputs; ends the process."""
    with tempfile.TemporaryDirectory() as corpus:
        for number, message in enumerate(SEEDS):
            frame = wire.frame(number, wire.encode(message))
            (Path(corpus) / f"{number}").write_bytes(b"\x3f" + frame)
        atheris.Setup([sys.argv[0], corpus, f"-max_total_time={seconds}", f"-max_len={LIMIT}"], one_input)
        atheris.Fuzz()


def with_hypothesis(seconds: int) -> None:
    """Draw inputs: frames, true and corrupt, and bytes."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    frames = st.builds(
        wire.frame, st.integers(0, 2**32 - 1), st.one_of(st.sampled_from(SEEDS).map(wire.encode), st.binary())
    )
    corrupt = st.builds(
        lambda data, at, byte: data[: at % len(data)] + bytes([byte]) + data[at % len(data) + 1 :],
        frames,
        st.integers(0, 4096),
        st.integers(0, 255),
    )
    streams = st.lists(st.one_of(frames, corrupt, st.binary(max_size=40)), max_size=8).map(b"".join)
    inputs = st.builds(lambda step, stream: bytes([step]) + stream, st.integers(0, 255), streams)
    count = 0

    @settings(max_examples=2000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(inputs)
    def attempt(data: bytes) -> None:
        nonlocal count
        count += 1
        one_input(data)

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        attempt()
    print(f"{count} inputs in {seconds} s, drawn by hypothesis: no surprise")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5)
    seconds = int(60 * parser.parse_args().minutes)
    if atheris is None:
        print("atheris is not installed: inputs are drawn by hypothesis", flush=True)
        with_hypothesis(seconds)
    else:
        with_atheris(seconds)


_loop = asyncio.new_event_loop()

if __name__ == "__main__":
    main()
