"""One request over a connection: where its answer ends, and how many are under way at once."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from rdzv_etcd import EtcdClient
from rdzv_etcd._client import endpoints, gateway, turns
from rdzv_etcd._client.exchange import Answer, read_answer
from rdzv_etcd._client.gateway import Gateway
from rdzv_etcd._client.scope import CancelScope

from rdzv_core.endpoint import HostPort

OK = b"HTTP/1.1 200 OK\r\n"
Eventually = Callable[[Callable[[], object]], None]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (OK + b"Content-Length: 2\r\n\r\n{}", Answer(200, b"{}", True)),
        (OK + b"content-length: 0\r\n\r\n", Answer(200, b"", True)),
        (OK + b"Content-Length: 2\r\nConnection: Close\r\n\r\n{}", Answer(200, b"{}", False)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", Answer(200, b"{}", False)),
        (b"HTTP/1.1 503\r\nContent-Length: 2\r\n\r\nno", Answer(503, b"no", True)),
        (OK + b"\r\nto the end", Answer(200, b"to the end", False)),
        (
            OK + b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\nA\r\n0123456789\r\n0\r\n\r\n",
            Answer(200, b"{}0123456789", True),
        ),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nGrpc-Trailer: x\r\n\r\n", Answer(200, b"", True)),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}", Answer(200, b"{}", True)),
    ],
)
def test_an_answer_ends_where_it_says(sent: bytes, expected: Answer) -> None:
    """By its length, by chunks, or by the end of the connection, which is then of no more use."""
    assert read_answer(io.BytesIO(sent)) == expected


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"", http.client.RemoteDisconnected),
        (b"SSH-2.0-OpenSSH_9.2\r\n", http.client.BadStatusLine),
        (b"HTTP/1.1 what\r\n", http.client.BadStatusLine),
        (OK, http.client.IncompleteRead),
        (OK + b"Content-Length: 5\r\n\r\n{}", http.client.IncompleteRead),
        (OK + b"Content-Length: -1\r\n\r\n{}", http.client.HTTPException),
        (OK + b"Content-Length: many\r\n\r\n{}", http.client.HTTPException),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", http.client.HTTPException),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n01", http.client.IncompleteRead),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n01\r\n", http.client.IncompleteRead),
        (OK + b"X: y\r\n" * 2000, http.client.HTTPException),
    ],
)
def test_an_answer_that_is_cut_short_or_none_at_all_is_an_error(sent: bytes, error: type[Exception]) -> None:
    """Nothing of it is taken for an answer."""
    with pytest.raises(error):
        read_answer(io.BytesIO(sent))


class _SlowServer:
    """Takes connections, and answers each request once it is let."""

    def __init__(self) -> None:
        self.may_answer = threading.Semaphore(0)
        self.connections: list[socket.socket] = []
        self.requests = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = HostPort("127.0.0.1", self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                self.connections.append(self._listener.accept()[0])
            except OSError:
                return
            threading.Thread(target=self._serve, args=[self.connections[-1]], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        body = b'{"header":{"revision":"1"}}'
        with client:
            while client.recv(65536):
                self.requests += 1
                self.may_answer.acquire()
                client.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def test_a_burst_of_requests_takes_turns(monkeypatch: pytest.MonkeyPatch, eventually: Eventually) -> None:
    """Forty threads that ask at once need eight connections."""
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 60.0)
    server = _SlowServer()
    with EtcdClient(Gateway([server.endpoint], None, None), timeout=60) as client, ThreadPoolExecutor(40) as pool:
        calls = [pool.submit(client.read, b"key%d" % number) for number in range(40)]
        eventually(lambda: len(client.calls) == 40 and len(server.connections) == gateway.AT_ONCE)
        for _ in calls:
            server.may_answer.release()
        assert [call.result(60).revision for call in calls] == [1] * 40
        assert len(server.connections) == gateway.AT_ONCE
    server.close()


def test_requests_that_hang_hold_up_no_other_one(eventually: Eventually) -> None:
    """Whoever has waited for a turn for a moment goes on without one."""
    server = _SlowServer()
    with EtcdClient(Gateway([server.endpoint], None, None), timeout=60) as client, ThreadPoolExecutor(9) as pool:
        calls = [pool.submit(client.read, b"key%d" % number) for number in range(gateway.AT_ONCE + 1)]
        eventually(lambda: len(server.connections) == gateway.AT_ONCE + 1)
        for _ in calls:
            server.may_answer.release()
        assert all(call.result(60) for call in calls)
    server.close()


def test_where_nothing_is_answered_one_after_the_other_goes_on_not_all(
    monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    """Two hundred that go on at once would make a slow store slower, and all of them later still.

    An etcd that stands still for a moment, and then answers one request after the other, answers each of them once:
    none is given up and sent again, though the last one waits for longer than an attempt may take.
    """
    patience, attempt, answered_every = 0.05, 2.0, 0.015
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", patience)
    monkeypatch.setattr(endpoints, "ALONE_FIRST_SECONDS", attempt)
    server = _SlowServer()
    with EtcdClient(Gateway([server.endpoint], None, None), timeout=120) as client, ThreadPoolExecutor(200) as pool:
        began = time.monotonic()
        calls = [pool.submit(client.read, b"key%d" % number) for number in range(200)]
        eventually(lambda: len(server.connections) >= gateway.AT_ONCE + 3)
        for _ in calls:
            assert len(server.connections) <= gateway.AT_ONCE + 1 + (time.monotonic() - began) / patience
            server.may_answer.release()
            time.sleep(answered_every)  # that is how slow it is
        assert time.monotonic() - began > attempt
        assert [call.result(60).revision for call in calls] == [1] * 200
    assert server.requests == 200
    server.close()


def test_whoever_waits_for_a_turn_at_a_member_that_fails_does_not_try_it() -> None:
    """It goes on to the next one: some attempts are lost, not one a thread."""
    silent, good = _SlowServer(), _SlowServer()
    for _ in range(100):
        good.may_answer.release()
    cluster = Gateway([silent.endpoint, good.endpoint], None, None)
    cluster.endpoints.answered(silent.endpoint, 0.01, time.monotonic())
    with EtcdClient(cluster, timeout=60) as client, ThreadPoolExecutor(100) as pool:
        calls = [pool.submit(client.read, b"key%d" % number) for number in range(100)]
        assert [call.result(60).revision for call in calls] == [1] * 100
    assert silent.requests < 50
    for server in (silent, good):
        server.close()


def test_what_is_urgent_takes_turns_of_its_own(monkeypatch: pytest.MonkeyPatch, eventually: Eventually) -> None:
    """A keep-alive is sent however many other requests wait."""
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 60.0)
    server = _SlowServer()
    with EtcdClient(Gateway([server.endpoint], None, None), timeout=60) as client, ThreadPoolExecutor(40) as pool:
        calls = [pool.submit(client.read, b"key%d" % number) for number in range(39)]
        eventually(lambda: len(client.calls) == 39 and len(server.connections) == gateway.AT_ONCE)
        urgent = pool.submit(client.request, "/v3/lease/keepalive", {}, urgent=True)
        eventually(lambda: len(server.connections) == gateway.AT_ONCE + 1)
        for _ in range(40):
            server.may_answer.release()
        assert urgent.result(60)
        assert all(call.result(60) for call in calls)
    server.close()


@pytest.mark.timeout(50)
def test_a_turn_is_given_back_however_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is awaited no longer than the call may take."""
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 60.0)
    taken = turns.Turns(1)
    for _ in range(3):
        with pytest.raises(KeyError), taken.take("thing", CancelScope(time.monotonic() + 60)):
            raise KeyError
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(taken.take("thing", CancelScope(time.monotonic())))


def test_while_no_turn_ends_one_goes_on_without_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first in line, and the next one as much later again."""
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 0.1)
    places, went = turns._Places(1), list[float]()
    began = time.monotonic()

    def come() -> None:
        assert not places.take(CancelScope(began + 60))
        went.append(time.monotonic() - began)

    assert places.take(CancelScope(began + 60))
    with ThreadPoolExecutor(8) as pool:
        for call in [pool.submit(come) for _ in range(8)]:
            call.result(60)
    assert all(after >= 0.1 * number for number, after in enumerate(sorted(went), 1))


def test_whoever_is_closed_waits_for_no_turn() -> None:
    """While others go on taking turns."""
    taken, closed = turns.Turns(1), CancelScope(time.monotonic() + 60)
    closed.cancel()
    with taken.take("thing", CancelScope(0.0)), taken.take("thing", closed):
        pass


@pytest.mark.timeout(50)
def test_where_all_wait_for_long_every_second_turn_is_for_the_newest(
    monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    """Else every answer would be for a call that was given up, once a store is slow enough; else first is first."""
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 60.0)
    for long, expected in ((60.0, [0, 1, 2, 3, 4, 5]), (0.0, [5, 0, 4, 1, 3, 2])):
        monkeypatch.setattr(turns, "LONG_SECONDS", long)
        places, order = turns._Places(1), list[int]()

        def come(number: int, places: turns._Places = places, order: list[int] = order) -> None:
            assert places.take(CancelScope(time.monotonic() + 60))
            order.append(number)
            places.give_back()

        assert places.take(CancelScope(time.monotonic() + 60))
        with ThreadPoolExecutor(6) as pool:
            for number in range(6):
                pool.submit(come, number)
                eventually(lambda places=places, number=number: len(places._waiting) == number + 1)
            places.give_back()
        assert order == expected
