"""What may go wrong: servers that die, stop, come back or lose an answer, garbage, forks."""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from rdzv_tcp import TcpBackend, TcpServer
from rdzv_tcp._backend import session_of
from rdzv_tcp._protocol import PROTOCOL, Get, Hello, Set, decode_answer, encode, frame
from rdzv_tcp._server.server import probe

from rdzv_core import RendezvousConnectionError
from rdzv_core.endpoint import HostPort

Open = Callable[..., TcpBackend]
InThreads = Callable[..., list[Any]]


def token_of(result: Any) -> bytes:
    assert result is not None
    token = result[1]
    assert isinstance(token, bytes)
    return token


def test_E9_after_a_restart_of_the_server_the_same_instance_works(
    open_backend: Open, serve: Callable[..., Any]
) -> None:
    """E9: the server is killed and started again on its port: the next calls work; the old token is worth nothing."""
    server = serve()
    backend = open_backend(server.endpoint, read_timeout=20)
    old = token_of(backend.set_state(b"x"))
    server.end(signal.SIGKILL)
    serve(server.endpoint)
    assert backend.set_state(b"y", old) is None
    assert backend.get_state() is None
    new = token_of(backend.set_state(b"x"))
    assert new != old
    assert backend.set_state(b"y", old) == (b"x", new, False)


def test_E9_a_wait_goes_on_over_a_restart(open_backend: Open, serve: Callable[..., Any]) -> None:
    """E9: who waits for a change when the server restarts without its memory is told that the state is gone."""
    server = serve()
    backend = open_backend(server.endpoint, read_timeout=20)
    token = token_of(backend.set_state(b"x"))
    results: list[Any] = []
    waiting = threading.Thread(target=lambda: results.append(backend.wait_state(token, 60)))
    waiting.start()
    server.end(signal.SIGKILL)
    serve(server.endpoint)
    waiting.join(30)
    assert results == [(True, None)]


def test_a_host_that_is_gone_is_named(open_backend: Open, serve: Callable[..., Any]) -> None:
    """The host was killed: within the read timeout an error says who it was, what that means and what would help."""
    server = serve()
    backend = open_backend(server.endpoint, read_timeout=1)
    backend.set_state(b"x")
    server.end(signal.SIGKILL)
    for call in (backend.get_state, lambda: backend.set_state(b"y"), lambda: backend.wait_state(None, 60)):
        began = time.monotonic()
        with pytest.raises(RendezvousConnectionError) as caught:
            # The wait above would end at once if the store were there: there is a state.
            call()  # type: ignore[operator]
        assert time.monotonic() - began < 10
        assert f"tcp backend at '{server.endpoint}': lost the store host" in str(caught.value)
        assert f"process {server.process.pid}" in str(caught.value)
        assert "If it was `rdzv serve`, start it again" in str(caught.value)
        assert "If it was a node, the store is lost with it: start the job again" in str(caught.value)
        assert caught.value.__cause__ is not None


class InterruptsOnce:
    """A lock; Ctrl-C strikes when it is let go for the first time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._interrupt: type[BaseException] | None = KeyboardInterrupt

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        interrupt, self._interrupt = self._interrupt, None
        if interrupt is not None:
            raise interrupt


def test_a_call_that_is_interrupted_at_its_start_leaves_no_descriptor(
    open_backend: Open, server: TcpServer, descriptors: Callable[[], set[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C before anything was sent: the next call works, and after `close` nothing is open."""
    before = descriptors()
    backend = open_backend(str(server.endpoint), is_host=False)
    connection = session_of(backend).client.connection
    assert connection is not None
    monkeypatch.setattr(connection, "_lock", InterruptsOnce())
    with pytest.raises(KeyboardInterrupt):
        backend.get_state()
    assert backend.get_state() is None
    backend.close()
    deadline = time.monotonic() + 20
    while probe(server).core.connections and time.monotonic() < deadline:
        time.sleep(0.001)
    assert descriptors() == before


def test_a_stopped_server_is_an_error_within_the_timeout(
    open_backend: Open, serve: Callable[..., Any], in_threads: InThreads
) -> None:
    """RDZV-CONN-4: the server hangs: calls and waits raise within about the read timeout and say so."""
    server = serve()
    backend = open_backend(server.endpoint, read_timeout=2)
    token = token_of(backend.set_state(b"x"))
    server.send(signal.SIGSTOP)
    calls = [backend.get_state, lambda: backend.set_state(b"y", b"z" * 16), lambda: backend.wait_state(token, 60)]

    def fail(number: int) -> float:
        began = time.monotonic()
        with pytest.raises(RendezvousConnectionError, match=f"process {server.process.pid} .*stopped answering"):
            calls[number]()  # type: ignore[operator]
        return time.monotonic() - began

    assert all(1 < seconds < 10 for seconds in in_threads(3, fail))
    assert 1 < fail(0) < 10
    server.send(signal.SIGCONT)
    assert backend.get_state() == (b"x", token)


def test_a_write_whose_answer_is_lost_is_told_as_done(open_backend: Open, lossy: Any) -> None:
    """RDZV-CAS-14: the connection ends after a write was done: it is not done twice, and never told as refused."""
    backend = open_backend(lossy.endpoint, is_host=False, read_timeout=10)
    lossy.lose_next_answer()
    first = backend.set_state(b"x")
    assert first == (b"x", token_of(first), True)
    lossy.lose_next_answer()
    second = backend.set_state(b"y", token_of(first))
    assert second == (b"y", token_of(second), True)
    lossy.lose_next_answer()
    assert backend.delete_state(token_of(second))
    assert lossy.lost == 3


def test_a_write_whose_answer_is_lost_is_told_as_done_though_another_followed(
    open_backend: Open, server: TcpServer, lossy: Any
) -> None:
    """RDZV-CAS-14: the server remembers the write, although somebody has written over it since."""
    backend = open_backend(lossy.endpoint, is_host=False, read_timeout=10)
    other = open_backend(str(server.endpoint), is_host=False)
    lossy.lose_next_answer(lambda: other.set_state(b"over", (other.get_state() or (b"", b""))[1]))
    assert (backend.set_state(b"x") or (0, 0, 0))[::2] == (b"x", True)
    assert (backend.get_state() or (None,))[0] == b"over"


def test_a_write_that_cannot_be_told_is_an_error(
    open_backend: Open, server: TcpServer, lossy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RDZV-CAS-14: the answer is lost and the server remembers too little: that is said, and not "refused"."""
    monkeypatch.setattr("rdzv_tcp._state.table.REMEMBERED_WRITES", 1)
    backend = open_backend(lossy.endpoint, is_host=False, read_timeout=10)
    other = open_backend(str(server.endpoint), is_host=False)

    def write_over() -> None:
        token = token_of(other.get_state())
        for _ in range(3):
            token = token_of(other.set_state(b"over", token))

    lossy.lose_next_answer(write_over)
    with pytest.raises(RendezvousConnectionError, match="whether this took effect is not known"):
        backend.set_state(b"x")


def test_a_write_is_not_sent_again_to_a_server_without_memory(
    open_backend: Open, lossy: Any, server: TcpServer
) -> None:
    """RDZV-CAS-8, -14: a write under way at a restart is not repeated on the empty store, for its token was seen."""
    backend = open_backend(lossy.endpoint, is_host=False, read_timeout=5)

    def restart() -> None:
        # An empty table of another incarnation is what a restarted server has; the proxy keeps the endpoint.
        probe(server).core.state.table.restore(b"i" * 16, {})

    lossy.lose_next_answer(restart)
    with pytest.raises(RendezvousConnectionError, match="restarted, without its memory"):
        backend.set_state(b"x")
    assert backend.get_state() is None


def test_a_read_whose_answer_is_lost_is_asked_again(open_backend: Open, lossy: Any) -> None:
    """A lost connection costs a reader nothing but time."""
    backend = open_backend(lossy.endpoint, is_host=False, read_timeout=10)
    lossy.lose_next_answer()
    assert backend.get_state() is None
    assert lossy.lost == 1


def test_garbage_disturbs_nobody(open_backend: Open) -> None:
    """Random bytes, cut frames, a gibibyte announced, requests without a hello: disconnected, and a client works on."""
    backend = open_backend("127.0.0.1:0", read_timeout=10)
    address = ("127.0.0.1", backend.raw_store.port)
    hello = frame(1, encode(Hello(PROTOCOL)))
    garbage = [
        b"GET / HTTP/1.1\r\n\r\n",
        os.urandom(1000),
        struct.pack(">II", 2**30, 1) + b"x" * 100,
        frame(1, encode(Get("k"))),
        hello + struct.pack(">II", 2**30, 1),
        hello + frame(2, b"\xc1"),
        hello + frame(2, encode(Set("k", b"", b"short", None))),
        struct.pack(">II", 5000, 1),
    ]
    token = token_of(backend.set_state(b"x"))
    for bytes_sent in garbage * 5:
        with socket.create_connection(address, timeout=10) as hostile:
            hostile.sendall(bytes_sent)
            received = b""
            try:
                while data := hostile.recv(65536):
                    received += data
            except ConnectionResetError:  # it had more to say than was read
                pass
            assert b"refused" in received or not received
        assert backend.get_state() == (b"x", token)


def test_half_open_connections_disturb_nobody(open_backend: Open) -> None:
    """Two hundred connections that say nothing, or half a hello, and a client works on."""
    backend = open_backend("127.0.0.1:0", read_timeout=10)
    silent = [socket.create_connection(("127.0.0.1", backend.raw_store.port)) for _ in range(200)]
    for one in silent[::2]:
        one.sendall(frame(1, encode(Hello(PROTOCOL)))[:5])
    assert backend.set_state(b"x")
    for one in silent:
        one.close()


def test_a_connection_without_a_hello_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that does not introduce itself in time is disconnected."""
    monkeypatch.setattr("rdzv_tcp._server.connection.HELLO_SECONDS", 0.1)
    with (
        TcpServer(HostPort("127.0.0.1", 0)).start() as server,
        socket.create_connection(("127.0.0.1", server.endpoint.port), timeout=10) as silent,
    ):
        try:
            assert silent.recv(1) == b""
        except ConnectionResetError:
            pass


def test_a_client_that_takes_no_answers_is_not_served_more(server: TcpServer) -> None:
    """A peer that asks and never reads costs the server a bounded amount of memory, and gets all when it reads."""
    address = ("127.0.0.1", server.endpoint.port)
    state, count = bytes(1_000_000), 200
    with socket.create_connection(address, timeout=20) as greedy:
        greedy.sendall(frame(1, encode(Hello(PROTOCOL))) + frame(2, encode(Set("k", state, b"n" * 16, None))))
        greedy.sendall(b"".join(frame(number, encode(Get("k"))) for number in range(10, 10 + count)))
        with socket.create_connection(address, timeout=20) as other:
            other.sendall(frame(1, encode(Hello(PROTOCOL))) + frame(2, encode(Get("absent"))))
            assert other.recv(1000)
        peers = list(probe(server).core.connections)
        assert max(peer.transport.get_write_buffer_size() for peer in peers) < 4 * len(state)
        with greedy.makefile("rb") as stream:
            numbers = []
            for _ in range(2 + count):
                length, number = struct.unpack(">II", stream.read(8))
                body = stream.read(length)
                numbers.append(number)
        assert numbers == [1, 2, *range(10, 10 + count)]
        assert decode_answer(body).state == state  # type: ignore[union-attr]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("waiting", [False, True], ids=["idle", "while a thread waits"])
def test_after_a_fork_the_childs_first_use_works(open_backend: Open, waiting: bool) -> None:
    """RDZV-CONN-6: the child reads and writes on a connection of its own and closes; the parent notices nothing."""
    backend = open_backend("127.0.0.1:0", read_timeout=10)
    token = token_of(backend.set_state(b"x"))
    results: list[Any] = []
    waiter = threading.Thread(target=lambda: results.append(backend.wait_state(token, 60)))
    if waiting:
        waiter.start()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            sibling = backend.sibling("child")
            ok = backend.get_state() == (b"x", token) and (sibling.set_state(b"c") or (0, 0, 0))[2]
            sibling.close()
            backend.close()
            status = 0 if ok else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert backend.get_state() == (b"x", token)
    written = token_of(backend.set_state(b"y", token))
    if waiting:
        waiter.join(20)
        assert results == [(True, (b"y", written))]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_of_the_host_keeps_no_store_alive(open_backend: Open, free_port: int) -> None:
    """The host forks and closes: its port is free and its clients notice, although the child lives on."""
    host = open_backend(f"127.0.0.1:{free_port}", is_host=True)
    client = socket.create_connection(("127.0.0.1", free_port), timeout=10)
    client.sendall(frame(1, encode(Hello(PROTOCOL))))
    assert client.recv(1000)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    try:
        host.close()
        with client:
            try:
                assert client.recv(1000) == b""
            except ConnectionResetError:
                pass
        assert open_backend(f"127.0.0.1:{free_port}", is_host=True).get_state() is None
    finally:
        os.close(writing)
        os.waitpid(child, 0)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_of_a_client_keeps_no_connection_open(
    open_backend: Open, server: TcpServer, descriptors: Callable[[], set[Any]]
) -> None:
    """A forked child holds none of its parent's descriptors: if the parent is killed, the server sees it go."""
    before = descriptors()
    backend = open_backend(str(server.endpoint), is_host=False)
    backend.get_state()
    parents = descriptors() - before
    assert parents
    child = os.fork()
    if child == 0:
        os._exit(len(parents & descriptors()))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


_HOST = """
import sys, threading
from rdzv_core import RendezvousParameters, create_backend
backend = create_backend(RendezvousParameters("tcp", "127.0.0.1:0", "run", 1, 2))
backend.set_state(b"x")
threading.Thread(target=lambda: backend.wait_state(backend.get_state()[1], 60), daemon=True).start()
print(backend.endpoint, flush=True)
sys.stdin.readline()
"""


def test_an_embedded_server_ends_with_its_process(open_backend: Open, run_python: Callable[..., Any]) -> None:
    """A host that ends without closing ends at once, silently, and its clients are told that it is gone."""
    process = run_python(_HOST)
    backend = open_backend(process.stdout.readline().strip(), is_host=False, read_timeout=1)
    assert backend.get_state() is not None
    _, errors = process.communicate("end\n", timeout=20)
    assert (process.returncode, errors) == (0, "")
    with pytest.raises(RendezvousConnectionError, match=f"lost the store host process {process.pid}"):
        backend.get_state()


def test_an_interrupted_call_leaves_the_instance_usable(run_python: Callable[..., Any]) -> None:
    """Ctrl-C in a wait raises KeyboardInterrupt, and the next call works.

    The process listens to SIGINT explicitly: what a shell starts in the background ignores it, and so would this test.
    """
    code = """
import _thread, signal, threading
signal.signal(signal.SIGINT, signal.default_int_handler)
from rdzv_core import RendezvousParameters, create_backend
backend = create_backend(RendezvousParameters("tcp", "127.0.0.1:0", "run", 1, 2, read_timeout=10))
threading.Timer(0.3, _thread.interrupt_main).start()
try:
    backend.wait_state(None, 60)
except KeyboardInterrupt:
    print("interrupted", backend.set_state(b"x")[2])
backend.close()
"""
    process = run_python(
        code.replace("_thread.interrupt_main", "lambda: __import__('os').kill(__import__('os').getpid(), 2)")
    )
    out, errors = process.communicate(timeout=30)
    assert (out, errors, process.returncode) == ("interrupted True\n", "", 0), sys.version
