"""The log of who was refused tells every reason, and is not filled by those who try again and again."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
from rdzv_tcp import TcpServer
from rdzv_tcp import _protocol as wire
from rdzv_tcp._net.settings import Settings
from rdzv_tcp._server.rejections import MOST, Rejections

from rdzv_core.endpoint import HostPort


def told(caplog: pytest.LogCaptureFixture, *refusals: tuple[object, str]) -> list[str]:
    """Return the lines of a log after refusals of hosts for reasons, its interval being over then."""

    async def refuse() -> None:
        log = Rejections()
        for peername, reason in refusals:
            log.note(peername, reason, logging.WARNING)
        log.sum_up()

    asyncio.run(refuse())
    return [record.getMessage().removeprefix("rdzv tcp server: refused ") for record in caplog.records]


def test_each_host_and_each_reason_has_its_line(caplog: pytest.LogCaptureFixture) -> None:
    """The first refusal of a kind is told at once, with the peer's port."""
    assert told(caplog, (("h1", 5), "wrong"), (("h2", 6), "wrong"), (("h1", 7), "no hello"), ("", "x")) == [
        "('h1', 5): wrong",
        "('h2', 6): wrong",
        "('h1', 7): no hello",
        ": x",
    ]


def test_repetitions_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    """One line at once, and one with how many more there were; what differs in numbers or quotes is the same."""
    same = [(("h", port), f"a frame of {port} bytes holds no known message: '{port}x'") for port in range(1000)]
    first, summary = told(caplog, *same)
    assert first.startswith("('h', 0): a frame of 0 bytes")
    assert summary == f"h 999 more times within 60 s, the last time: {same[-1][1]}"


def test_any_number_of_hosts_and_reasons_is_a_bounded_number_of_lines(caplog: pytest.LogCaptureFixture) -> None:
    """Beyond the first ones they are counted together."""
    lines = told(caplog, *(((f"h{number}", 1), "wrong") for number in range(10_000)))
    assert len(lines) == MOST + 1
    assert f"{10_000 - MOST} more times" in lines[-1]


def test_the_next_interval_tells_again(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The count comes by itself when the interval is over, and what comes after it has a line again."""
    monkeypatch.setattr("rdzv_tcp._server.rejections.INTERVAL", 0.05)

    async def refuse() -> None:
        log = Rejections()
        log.note(("h", 1), "wrong", logging.WARNING)
        log.note(("h", 2), "wrong", logging.WARNING)
        while len(caplog.records) < 2:
            await asyncio.sleep(0.001)
        log.note(("h", 3), "wrong", logging.WARNING)

    asyncio.run(asyncio.wait_for(refuse(), 20))
    assert [record.getMessage().partition("refused ")[2].partition(" within")[0] for record in caplog.records] == [
        "('h', 1): wrong",
        "h 1 more times",
        "('h', 3): wrong",
    ]


@pytest.mark.parametrize("flood", ["strangers", "nonsense", "plain text"])
def test_a_flood_of_bad_peers_is_two_lines(
    flood: str, authority: Any, caplog: pytest.LogCaptureFixture, raw_peer: Callable[..., Any]
) -> None:
    """Two hundred refused connections, each told why; the server's log has one line, and a count when it ends."""
    caplog.set_level(logging.INFO)
    secret = b"a long secret" if flood == "strangers" else None
    from rdzv_tcp._net.security import server_tls

    tls = server_tls(authority.cert, authority.key) if flood == "plain text" else None
    junk = struct.pack(">II", 2**30, 1)
    with TcpServer(HostPort("127.0.0.1", 0), Settings(secret=secret, tls=tls)).start() as server:
        for _ in range(200):
            peer = raw_peer(server, hello=False)
            if flood == "nonsense":
                peer.socket.sendall(junk)
                answer = peer.hear()[1]
            else:
                answer = peer.ask(wire.Hello(wire.PROTOCOL))
            assert isinstance(answer, wire.Refused)
            peer.socket.shutdown(socket.SHUT_RDWR)
            peer.socket.close()
        assert len([record for record in caplog.records if "refused" in record.getMessage()]) == 1
    lines = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert len(lines) == 2
    assert "refused 127.0.0.1 199 more times" in lines[1]
