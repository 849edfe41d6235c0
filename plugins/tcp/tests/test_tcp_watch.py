"""Waiting for a change: at once, as soon as it comes, not too early, and in nobody's way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from rdzv_tcp import TcpBackend
from rdzv_tcp import _protocol as wire
from rdzv_tcp._backend import server_of
from rdzv_tcp._server.server import probe

Open = Callable[..., TcpBackend]
InThreads = Callable[..., list[Any]]


def token_of(result: Any) -> bytes:
    token = result[1]
    assert isinstance(token, bytes)
    return token


def test_a_token_that_differs_already_ends_the_wait_at_once(backend: TcpBackend) -> None:
    """RDZV-WATCH-1: a stale token, a foreign one, or none where a state is: the snapshot comes at once."""
    token = token_of(backend.set_state(b"x"))
    for known in (None, b"y" * 16, "invalid", 0, ()):
        assert backend.wait_state(known, 60) == (True, (b"x", token))  # type: ignore[arg-type]


def test_without_a_change_the_wait_lasts_its_time(backend: TcpBackend) -> None:
    """RDZV-WATCH-4: (False, snapshot) after the timeout and not before."""
    token = token_of(backend.set_state(b"x"))
    began = time.monotonic()
    assert backend.wait_state(token, 0.3) == (False, (b"x", token))
    assert time.monotonic() - began >= 0.3
    assert backend.wait_state(token, 0) == (False, (b"x", token))
    assert backend.wait_state(token, -1) == (False, (b"x", token))


def test_no_state_is_waited_for_and_then_given_up(backend: TcpBackend) -> None:
    """RDZV-WATCH-2, -4: with token None and no state, (False, None) after the timeout."""
    assert backend.wait_state(None, 0.2) == (False, None)


def test_a_wait_longer_than_the_read_timeout_lasts_its_time(open_backend: Open) -> None:
    """A wait is asked for again, in pieces shorter than the read timeout, and no error."""
    backend = open_backend("127.0.0.1:0", read_timeout=1)
    token = token_of(backend.set_state(b"x"))
    began = time.monotonic()
    assert backend.wait_state(token, 1.6) == (False, (b"x", token))
    assert time.monotonic() - began >= 1.6


@pytest.mark.parametrize("change", ["update", "delete", "create"])
def test_a_change_ends_the_wait(open_backend: Open, change: str) -> None:
    """RDZV-WATCH-1, -2, -3: an update, a deletion or a creation by another instance ends a wait that has begun."""
    waiter = open_backend("127.0.0.1:0")
    writer = open_backend(waiter.endpoint)
    token = None if change == "create" else token_of(writer.set_state(b"x"))
    results: list[Any] = []
    waiting = threading.Thread(target=lambda: results.append(waiter.wait_state(token, 60)))
    waiting.start()
    core = probe(server_of(waiter)).core
    deadline = time.monotonic() + 20
    while not core.waiters and time.monotonic() < deadline:
        waiting.join(0.001)
    (topic,) = core.waiters.topics()
    (request,) = core.waiters.waiting_for(topic)
    if change == "delete":
        assert writer.delete_state(token)
        expected: Any = None
    else:
        result = writer.set_state(b"y", token)
        expected = (b"y", token_of(result))
    waiting.join(20)
    assert results == [(True, expected)]
    assert request.deadline is None


def test_no_wake_up_is_lost_however_write_and_wait_meet(open_backend: Open) -> None:
    """RDZV-WATCH-5: 300 writes, each waited for by one who starts to wait at about that moment."""
    waiter = open_backend("127.0.0.1:0")
    writer = open_backend(waiter.endpoint)
    token = token_of(writer.set_state(b"0"))

    def write() -> None:
        last = token
        for number in range(1, 301):
            last = token_of(writer.set_state(b"%d" % number, last))

    writing = threading.Thread(target=write)
    writing.start()
    state: bytes = b"0"
    while state != b"300":
        changed, snapshot = waiter.wait_state(token, 20)
        assert changed
        assert snapshot is not None
        state, token = snapshot.state, snapshot.token  # type: ignore[assignment]
    writing.join(20)


def test_E8_a_wait_holds_up_no_other_call(backend: TcpBackend, in_threads: InThreads) -> None:
    """E8: while eight threads wait on an instance a ninth reads and writes on it; then all waits end."""
    token = token_of(backend.set_state(b"x"))

    def act(number: int) -> Any:
        if number < 8:
            return backend.wait_state(token, 60)
        for _ in range(50):
            assert backend.get_state() == (b"x", token)
        return backend.set_state(b"y", token)

    began = time.monotonic()
    results = in_threads(9, act)
    written = token_of(results[8])
    assert results[:8] == [(True, (b"y", written))] * 8
    assert time.monotonic() - began < 30


def test_many_waiters_of_large_states_all_wake(open_backend: Open, in_threads: InThreads) -> None:
    """Forty waits on one connection each get a state of 1 MB, although the connection takes them one by one."""
    waiter = open_backend("127.0.0.1:0")
    writer = open_backend(waiter.endpoint, is_host=False)
    large = bytes(range(256)) * 4096
    results = in_threads(41, lambda n: waiter.wait_state(None, 60) if n else writer.set_state(large))
    written = token_of(results[0])
    assert results[1:] == [(True, (large, written))] * 40


@pytest.mark.parametrize("what", ["register_backend", "store"])
def test_what_many_wait_for_is_encoded_once(
    what: str, open_backend: Open, in_threads: InThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One write, twenty who wait for it, of the register or of a key of a round's store: the value is encoded once."""
    backend = open_backend("127.0.0.1:0")
    core = probe(server_of(backend)).core
    encoded: list[Any] = []

    def encode(message: Any) -> bytes:
        encoded.append(message)
        return wire.encode(message)

    monkeypatch.setattr("rdzv_tcp._server.waiters.encode", encode)

    def act(number: int) -> Any:
        store = backend.store("p")
        if number:
            return store.get("k", 60) if what == "store" else backend.wait_state(None, 60)
        while len(core.waiters) < 20:
            assert backend.raw_store.get("nothing") is None
        return store.set("k", b"value") if what == "store" else backend.set_state(b"value")

    woken = in_threads(21, act)[1:]
    assert woken == 20 * (woken[:1])
    assert len(encoded) == 1
