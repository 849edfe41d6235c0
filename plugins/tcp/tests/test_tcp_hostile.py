"""Peers that mean no good, or are broken: they cost a bounded amount, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rdzv_tcp import TcpBackend, TcpServer
from rdzv_tcp import _protocol as wire
from rdzv_tcp._net.settings import Settings, connection_limits
from rdzv_tcp._net.tls import server_tls
from rdzv_tcp._protocol import (
    Challenge,
    Claim,
    Enter,
    FrameReader,
    HealthRequest,
    Leave,
    Members,
    Proof,
    Renew,
    StoreAdd,
    StoreCompareSet,
    StoreCount,
    StoreDelete,
    StoreGet,
    StoreSet,
    WaitMembers,
)
from rdzv_tcp._server.connection import Connection
from rdzv_tcp._server.core import RECEIVE_BYTES, Core
from rdzv_tcp._server.server import probe
from rdzv_tcp._server.tls_transport import TlsTransport

from rdzv_core import RendezvousConfigurationError, RendezvousConnectionError, RendezvousParameters, create_backend
from rdzv_core.endpoint import HostPort

SECRET = b"secret"
NONCES = [bytes([number]) * 16 for number in range(4)]
HELLO = wire.frame(1, wire.encode(wire.Hello(wire.PROTOCOL)))

nonces = st.sampled_from(NONCES)
keys = st.sampled_from(["a", "b"])
tokens = st.one_of(st.none(), st.just(b""), nonces)
messages = st.one_of(
    st.builds(wire.Hello, st.sampled_from([0, wire.PROTOCOL, 2**40]), st.sampled_from([b"", b"x", bytes(32)])),
    st.builds(Proof, st.binary(min_size=32, max_size=32)),
    st.builds(HealthRequest),
    st.builds(wire.Get, keys),
    st.builds(wire.Set, keys, st.binary(max_size=30), nonces, tokens),
    st.builds(wire.Delete, keys, nonces, tokens),
    st.builds(wire.Wait, keys, tokens, st.floats()),
    st.builds(wire.RawGet, keys),
    st.builds(Claim, nonces),
    st.builds(Enter, keys, nonces, st.binary(max_size=5), st.floats(min_value=0, exclude_min=True), nonces),
    st.builds(Renew, nonces, st.integers(-9, 9), st.none() | st.binary(max_size=5)),
    st.builds(Leave, nonces),
    st.builds(Members, keys, st.integers(0, 3), st.none() | st.integers(0, 3)),
    st.builds(WaitMembers, keys, st.just(b"") | nonces, st.floats()),
    st.builds(StoreSet, keys, keys, st.dictionaries(keys, st.binary(max_size=5)), nonces),
    st.builds(StoreGet, keys, keys, st.lists(keys, max_size=3), st.floats(), st.booleans()),
    st.builds(StoreCompareSet, keys, keys, keys, st.none() | st.binary(max_size=5), st.binary(max_size=5), nonces),
    st.builds(StoreAdd, keys, keys, keys, st.sampled_from(["1", "-7", "x", "", "9" * 400]), nonces),
    st.builds(StoreDelete, keys, keys, keys, nonces),
    st.builds(StoreCount, keys, keys),
)
frames = st.builds(lambda number, message: wire.frame(number, wire.encode(message)), st.integers(0, 9), messages)
sent = st.one_of(frames, st.binary(max_size=40), st.just(struct.pack(">II", 2**30, 1)))


class Recorder(asyncio.Transport):
    """A transport that keeps what is written, and pauses its protocol when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = self.reading = False
        self.socket = socket.socket()

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def write_eof(self) -> None: ...

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.socket if name == "socket" else default


async def _converse(core: Core, peer: Any, pieces: list[bytes | bool]) -> Recorder:
    """Let a peer receive pieces; True pauses its writing, False resumes it. Then the connection is lost."""
    transport = Recorder()
    with contextlib.closing(transport.socket):
        peer.connection_made(transport)
        for piece in pieces:
            if transport.closed:
                break
            if isinstance(piece, bool):
                peer.pause_writing() if piece else peer.resume_writing()
            else:
                core.shared.scratch[: len(piece)] = piece
                peer.buffer_updated(len(piece))
                core.shared.scratch[: len(piece)] = bytes(len(piece))  # as the next connection would
            await asyncio.sleep(0)
        peer.connection_lost(None)
    await core.finish()
    return transport


def _answers(written: bytes) -> list[tuple[int, wire.Answer]]:
    reader: FrameReader[wire.Answer] = FrameReader(wire.decode_answer, wire.MAX_FRAME_BYTES)
    reader.feed(written)
    found = []
    while (taken := reader.take()) is not None:
        found.append(taken)
    return found


def _clean(core: Core) -> bool:
    return not (core.connections or len(core.waiters) or len(core.admission))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(sent, st.booleans()), max_size=12), st.booleans(), st.booleans(), st.randoms())
def test_a_connection_takes_anything(pieces: list[bytes | bool], greeted: bool, secret: bool, random: Any) -> None:
    """Random bytes, cut frames and any messages in any order: answers or a refusal, and nothing is left behind."""
    core = Core(Settings(secret=SECRET if secret else None))
    stream: list[bytes | bool] = [HELLO] if greeted and not secret else []
    for piece in pieces:
        if isinstance(piece, bytes) and random.random() < 0.3:
            cut = random.randrange(len(piece) + 1)
            stream += [piece[:cut], piece[cut:]]
        else:
            stream.append(piece)
    transport = asyncio.run(_converse(core, Connection(core.shared), [one for one in stream if one != b""]))
    answers = _answers(bytes(transport.written))
    assert transport.closed == any(isinstance(answer, wire.Refused) for _, answer in answers)
    assert _clean(core)
    if secret:  # nobody has proved anything
        assert not {type(answer) for _, answer in answers} - {wire.Refused, Challenge}
        assert len(core.state.table) == 0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=600), max_size=6), st.booleans())
@example([b"\x16\x03\x01\x00\x00"], False)
@example([b"\x15\x03\x03\x00\x02\x02\x28"], False)
def test_a_tls_transport_takes_anything(authority: Any, pieces: list[bytes], like_tls: bool) -> None:
    """Bytes that begin as TLS does, and bytes that do not: the handshake fails or waits, and no peer is served."""
    core = Core(Settings(tls=server_tls(authority.cert, authority.key)))
    if like_tls and pieces:
        pieces = [b"\x16\x03\x01" + struct.pack(">H", len(pieces[0])) + pieces[0], *pieces[1:]]
    assert core.shared.settings.tls is not None
    asyncio.run(_converse(core, TlsTransport(core.shared, core.shared.settings.tls), list(pieces)))
    assert _clean(core)


def test_a_hello_may_come_in_pieces() -> None:
    """Wherever it is cut; also before a byte with which TLS begins."""
    challenge = b"\x16" * 32
    hello = wire.frame(1, wire.encode(wire.Hello(wire.PROTOCOL, challenge)))
    for cut in range(1, len(hello)):
        core = Core(Settings(secret=SECRET))
        transport = asyncio.run(_converse(core, Connection(core.shared), [hello[:cut], hello[cut:]]))
        (answer,) = (answer for _, answer in _answers(bytes(transport.written)))
        assert isinstance(answer, Challenge)


def test_what_a_connection_keeps_is_bounded() -> None:
    """Before the hello a KiB and what was received at once; after it one frame of the largest size and as much."""
    core = Core(Settings())
    peer = Connection(core.shared)
    waits = b"".join(wire.frame(number, wire.encode(wire.Wait(str(number), None, 60.0))) for number in range(2, 20_000))
    pieces = [waits[at : at + RECEIVE_BYTES] for at in range(0, len(waits), RECEIVE_BYTES)]
    transport = asyncio.run(_converse(core, peer, [HELLO, *pieces]))
    assert "more than 16384 waits" in _answers(bytes(transport.written))[-1][1].reason  # type: ignore[union-attr]
    assert _clean(core)


@pytest.fixture
def serving() -> Iterator[Callable[..., TcpServer]]:
    """Start servers on threads of this process, and stop them when the test is over."""
    started: list[TcpServer] = []

    def start(**options: Any) -> TcpServer:
        started.append(TcpServer(HostPort("127.0.0.1", 0), Settings(**options)).start())
        return started[-1]

    yield start
    for server in started:
        server.stop()


def test_one_connection_too_many_is_refused(serving: Any, raw_peer: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The limit is said to the client and in the log; those who are there stay, and who leaves makes room."""
    server = serving(max_connections=2)
    peers = [raw_peer(server), raw_peer(server)]
    params = RendezvousParameters("tcp", str(server.endpoint), "r", 1, 1, is_host=False, read_timeout=20)
    with pytest.raises(RendezvousConnectionError, match="this server has 2 connections and takes no more") as caught:
        create_backend(params)
    assert not isinstance(caught.value, RendezvousConfigurationError)  # there may be room later
    assert "takes no more" in caplog.text
    assert isinstance(peers[1].ask(wire.Get("key")), wire.Absent)
    peers[0].socket.shutdown(socket.SHUT_WR)
    assert peers[0].hear() is None
    with contextlib.closing(create_backend(params)) as backend:
        assert backend.get_state() is None


def test_who_says_nothing_keeps_nobody_out(
    serving: Any, raw_peer: Any, open_backend: Callable[..., TcpBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the connections without a hello the oldest makes room for a new one; a proper client gets in at once."""
    monkeypatch.setattr("rdzv_tcp._net.settings._MAX_STRANGERS", 5)
    server = serving()
    silent = [raw_peer(server, hello=False) for _ in range(50)]
    backend = open_backend(str(server.endpoint), is_host=False)
    assert backend.get_state() is None
    for peer in silent[:45]:
        assert peer.hear() is None
    assert len(probe(server).core.connections) <= 6


def test_a_hello_that_does_not_end_is_not_waited_for(
    serving: Any, raw_peer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer that sends it byte by byte is disconnected after the time for a hello, however busy."""
    monkeypatch.setattr("rdzv_tcp._server.connection.HELLO_SECONDS", 0.3)
    peer = raw_peer(serving(), hello=False)
    peer.socket.settimeout(0.1)
    for number in range(200):
        try:
            peer.socket.sendall(HELLO[number : number + 1] if number < len(HELLO) - 1 else b"")
            if not peer.socket.recv(100):
                break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    else:
        pytest.fail("the server still waits for the rest")
    assert number < len(HELLO) + 100


def test_limits_fit_the_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """All connections that are let in, and all that have not said hello, are fewer than the descriptors."""
    for soft in (256, 1024, 20_000):
        monkeypatch.setattr("resource.getrlimit", lambda _, soft=soft: (soft, soft))
        assert sum(connection_limits(Settings())) < soft
    assert connection_limits(Settings(max_connections=3))[0] == 3


def test_a_short_run_of_the_fuzzer_finds_nothing() -> None:
    """Seconds of what the script `fuzz.py` does for minutes: a proper client is answered, memory stays bounded."""
    script = Path(__file__).with_name("fuzz.py")
    ended = subprocess.run(
        [sys.executable, str(script), "--minutes", "0.05", "--half-open", "600", "--data-dir"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, "calls of a proper client" in ended.stdout) == (0, True), ended.stdout + ended.stderr


def test_a_server_killed_under_load_loses_nothing() -> None:
    """A few rounds of what the script `chaos.py` does fifty times: no acknowledged write lost, no token twice."""
    script = Path(__file__).with_name("chaos.py")
    ended = subprocess.run(
        [sys.executable, str(script), "--kills", "4"], capture_output=True, text=True, timeout=250, check=False
    )
    assert (ended.returncode, "no acknowledged write lost" in ended.stdout) == (0, True), ended.stdout + ended.stderr
