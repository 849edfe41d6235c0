"""Where many connections are calm they are read together: later by an instant, and otherwise as any other."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rdzv_tcp import TcpServer
from rdzv_tcp import _protocol as wire
from rdzv_tcp._protocol import Enter, Renew
from rdzv_tcp._server.server import probe

from rdzv_core.endpoint import HostPort

MANY = 8
NONCE = bytes(range(16))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TcpServer]:
    """A server to which eight calm connections are many, and who says nothing for 0.1 s is calm."""
    monkeypatch.setattr("rdzv_tcp._server.idle_polling.MANY", MANY)
    monkeypatch.setattr("rdzv_tcp._server.idle_polling.SWEEP_SECONDS", 0.1)
    monkeypatch.setattr("rdzv_tcp._server.idle_polling.CALM_REQUESTS", 0)
    with TcpServer(HostPort("127.0.0.1", 0)).start() as started:
        yield started


@pytest.fixture
def peers(server: TcpServer, raw_peer: Callable[..., Any]) -> list[Any]:
    """Ten connections, all of them calm."""
    connected = [raw_peer(server) for _ in range(MANY + 2)]
    until(lambda: calm(server) == len(connected))
    return connected


def calm(server: TcpServer) -> int:
    return len(probe(server).core.idle_polling.calm)


def until(condition: Callable[[], bool]) -> None:
    """Wait until the server's thread has come so far."""
    end, pause = time.monotonic() + 20, threading.Event()
    while not condition():
        assert time.monotonic() < end, "it never came so far"
        pause.wait(0.001)


def test_who_is_calm_is_answered(peers: list[Any]) -> None:
    """Requests of all of them at once, large ones and several in a row among them."""
    for number, peer in enumerate(peers):
        peer.say(wire.Set(f"k{number}", bytes(1_000_000), NONCE[:15] + bytes([number]), None))
        peer.say(wire.Get(f"k{number}"))
    for peer in peers:
        assert isinstance(peer.hear()[1], wire.Done)
        assert len(peer.hear()[1].state) == 1_000_000


def test_who_is_calm_is_woken(server: TcpServer, peers: list[Any]) -> None:
    """A write ends the waits of calm connections; its writer is calm itself."""
    for peer in peers[1:]:
        peer.say(wire.Wait("k", None, 60.0))
    until(lambda: len(probe(server).core.waiters.waiting_for("k")) == len(peers) - 1)
    until(lambda: calm(server) == len(peers))
    assert isinstance(peers[0].ask(wire.Set("k", b"state", NONCE, None)), wire.Done)
    assert [peer.hear()[1] for peer in peers[1:]] == [wire.Found(b"state", NONCE)] * (len(peers) - 1)


def test_who_talks_is_read_at_once(server: TcpServer, peers: list[Any]) -> None:
    """Two requests in a row end the calm of their connection, and silence brings it back."""
    (lively,) = [
        peer for peer in probe(server).core.connections if peer.descriptor in descriptors(peers[3].socket, server)
    ]
    while lively in probe(server).core.idle_polling.calm:
        peers[3].ask(wire.Get("k"))
    assert calm(server) == len(peers) - 1
    until(lambda: calm(server) == len(peers))


def test_the_end_of_a_calm_connection_is_noticed(server: TcpServer, peers: list[Any]) -> None:
    """It is forgotten, and what its client entered ends after its grace."""
    peers[0].ask(Enter("run", NONCE, b"", 0.4, NONCE))
    peers[0].socket.close()
    until(lambda: len(probe(server).core.connections) == len(peers) - 1)
    until(lambda: not len(probe(server).core.state.members))
    until(lambda: calm(server) == len(peers) - 1)


def test_who_takes_no_answers_is_not_read_from(server: TcpServer, peers: list[Any]) -> None:
    """A calm connection that begins to ask and not to listen is held up as any other, and answered when it listens."""
    peers[0].ask(wire.Set("k", bytes(4_000_000), NONCE, None))
    until(lambda: calm(server) == len(peers))
    for _ in range(10):
        peers[0].say(wire.Get("k"))
    until(lambda: any(peer.blocked for peer in probe(server).core.connections))
    assert isinstance(peers[1].ask(wire.Get("other")), wire.Absent)
    assert [len(peers[0].hear()[1].state) for _ in range(10)] == [4_000_000] * 10


def test_few_are_not_polled(server: TcpServer, peers: list[Any]) -> None:
    """When most have gone, those who are left are read at once, however calm they are."""
    for peer in peers[3:]:
        peer.socket.close()
    until(lambda: len(probe(server).core.connections) == 3)
    until(lambda: calm(server) == 0)
    assert isinstance(peers[0].ask(wire.Get("k")), wire.Absent)


def test_members_among_many_stay(server: TcpServer, peers: list[Any]) -> None:
    """They renew thrice a ttl, and nobody is taken for gone."""
    names = [NONCE[:15] + bytes([number]) for number in range(len(peers))]
    for peer, name in zip(peers, names, strict=True):
        peer.ask(Enter("run", name, b"", 1.2, name))
    for sequence in range(1, 7):
        for peer, name in zip(peers, names, strict=True):
            assert isinstance(peer.ask(Renew(name, sequence, None)), wire.Done)
        threading.Event().wait(0.2)
    assert len(probe(server).core.state.members) == len(peers)


def test_a_calm_connection_that_talks_nonsense_is_refused(server: TcpServer, peers: list[Any]) -> None:
    """It alone ends; the others, read in the same turn, are answered."""
    peers[0].socket.sendall(b"\xff" * 8)
    answers = [peer.ask(wire.Get("k")) for peer in peers]
    assert isinstance(answers[0], wire.Refused)
    assert peers[0].hear() is None
    assert [type(answer) for answer in answers[1:]] == [wire.Absent] * (len(peers) - 1)


def descriptors(client: socket.socket, server: TcpServer) -> set[int]:
    """Return the descriptor of the server's end of a connection."""
    return {
        peer.descriptor
        for peer in list(probe(server).core.connections)
        if peer.transport.get_extra_info("peername") == client.getsockname()
    }
