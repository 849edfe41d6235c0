"""What a server has to say to one connection at one time it says in one piece, in the right order."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from rdzv_tcp import _protocol as wire
from rdzv_tcp._net.settings import Settings
from rdzv_tcp._protocol import FrameReader
from rdzv_tcp._server.connection import TOGETHER_BYTES, Connection
from rdzv_tcp._server.core import Core

NONCE = bytes(range(16))


class Line(asyncio.Transport):
    """A transport that notes, in a list shared with others, who wrote what at once."""

    def __init__(self, name: str, written: list[tuple[str, bytes]]) -> None:
        super().__init__()
        self._name, self._written = name, written
        self._socket = socket.socket()

    def write(self, data: Any) -> None:
        self._written.append((self._name, bytes(data)))

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._socket if name == "socket" else default

    def hang_up(self) -> None:
        self._socket.close()


class Talk:
    """Connections `a` and `b` of one server, both greeted, and what is written on them from now on."""

    def __init__(self) -> None:
        self.core = Core(Settings())
        self.written: list[tuple[str, bytes]] = []
        self.lines = {name: Line(name, self.written) for name in "ab"}
        self.peers = {name: Connection(self.core.shared) for name in "ab"}
        for name, peer in self.peers.items():
            peer.connection_made(self.lines[name])
            self.say(name, wire.Hello(wire.PROTOCOL))
        self.written.clear()

    def say(self, name: str, *messages: Any) -> None:
        data = b"".join(wire.frame(number, wire.encode(message)) for number, message in enumerate(messages, 1))
        self.core.shared.scratch[: len(data)] = data
        self.peers[name].buffer_updated(len(data))

    def heard(self) -> list[tuple[str, list[tuple[int, wire.Answer]]]]:
        """The answers that each connection got, piece by piece."""
        return [(name, answers(data)) for name, data in self.written]

    def end(self) -> None:
        for name, peer in self.peers.items():
            peer.connection_lost(None)
            self.lines[name].hang_up()


def answers(data: bytes) -> list[tuple[int, wire.Answer]]:
    reader: FrameReader[wire.Answer] = FrameReader(wire.decode_answer, wire.MAX_FRAME_BYTES)
    reader.feed(data)
    found = []
    while (taken := reader.take()) is not None:
        found.append(taken)
    return found


def in_a_loop(test: Any) -> None:
    async def run() -> None:
        talk = Talk()
        try:
            test(talk)
        finally:
            talk.end()

    asyncio.run(run())


def test_requests_that_come_together_are_answered_together() -> None:
    """A hundred requests in one piece, a hundred answers in one piece."""

    def test(talk: Talk) -> None:
        talk.say("a", *(wire.Get(str(number)) for number in range(100)))
        assert talk.heard() == [("a", [(number, wire.Absent()) for number in range(1, 101)])]

    in_a_loop(test)


def test_waits_of_one_connection_are_ended_together() -> None:
    """One write, and one piece for each connection that waits, however many waits it has."""

    def test(talk: Talk) -> None:
        talk.say("a", *(wire.Wait("k", None, 60.0) for _ in range(50)))
        talk.say("b", wire.Set("k", b"state", NONCE, None))
        found = wire.Found(b"state", NONCE)
        first, (name, told) = talk.heard()
        assert first == ("b", [(1, wire.Done())])
        assert (name, sorted(told)) == ("a", [(number, found) for number in range(1, 51)])

    in_a_loop(test)


def test_the_writer_is_answered_before_those_it_wakes() -> None:
    """Also where its write came together with other requests, before and after it."""

    def test(talk: Talk) -> None:
        talk.say("b", wire.Wait("k", None, 60.0))
        talk.say("a", wire.Get("x"), wire.Set("k", b"state", NONCE, None), wire.Get("y"))
        assert [(name, [number for number, _ in told]) for name, told in talk.heard()] == [
            ("a", [1, 2]),
            ("b", [1]),
            ("a", [3]),
        ]

    in_a_loop(test)


@pytest.mark.parametrize("size", [TOGETHER_BYTES // 4, 3 * TOGETHER_BYTES])
def test_answers_do_not_pile_up_before_they_are_sent(size: int) -> None:
    """Large answers go out as they come: none waits for more than a bounded number of bytes to be with it."""

    def test(talk: Talk) -> None:
        talk.say("a", wire.Set("k", bytes(size), NONCE, None))
        talk.written.clear()
        talk.say("a", *(wire.Get("k") for _ in range(20)))
        assert [number for _, told in talk.heard() for number, _ in told] == list(range(1, 21))
        assert max(len(data) for _, data in talk.written) <= max(TOGETHER_BYTES, size + 100)

    in_a_loop(test)


def test_a_wait_in_vain_ends_without_the_state() -> None:
    """Not before its time, and not much later; what the client knows already is not sent again."""

    async def run() -> None:
        talk = Talk()
        loop = asyncio.get_running_loop()
        talk.say("a", wire.Set("small", b"s", NONCE, None))
        talk.written.clear()
        began = loop.time()
        waits = [wire.Wait("small", NONCE, 0.3), wire.Wait("none", None, 0.3)]
        talk.say("a", *waits)
        while len(talk.written) < 2:
            await asyncio.sleep(0.001)
        assert 0.3 <= loop.time() - began < 10
        assert sorted((number, type(answer)) for _, told in talk.heard() for number, answer in told) == [
            (1, wire.Unchanged),
            (2, wire.Unchanged),
        ]
        assert not len(talk.core.waiters)
        talk.end()

    asyncio.run(asyncio.wait_for(run(), 60))
