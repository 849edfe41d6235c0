"""The life of an instance: closing ends what is its own, and nothing else."""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from rdzv_tcp import TcpBackend, TcpServer, TcpStore
from rdzv_tcp._backend import server_of, session_of
from rdzv_tcp._server.server import probe

from rdzv_core import RendezvousConnectionError, RendezvousParameters, create_backend

Open = Callable[..., TcpBackend]


def create(endpoint: str, **config: Any) -> TcpBackend:
    made = create_backend(RendezvousParameters("tcp", endpoint, "run", 1, 1, **config))
    assert isinstance(made, TcpBackend)
    return made


def test_close_leaves_no_thread_and_no_descriptor(descriptors: Callable[[], set[Any]]) -> None:
    """RDZV-LIFE-4: host, clients, siblings and raw stores closed: threads and descriptors are what they were."""
    gc.collect()
    before, threads = descriptors(), set(threading.enumerate())
    host = create("localhost:0")
    client = create(host.endpoint, is_host=False)
    sibling = host.sibling("s")
    store = TcpStore("127.0.0.1", host.raw_store.port)
    for one in (host, client, sibling):
        one.set_state(b"x")
    assert store.get("k") is None
    for each in (client, store, host, sibling):
        each.close()
    assert set(threading.enumerate()) == threads
    assert descriptors() == before


@pytest.mark.parametrize("run_id", ["", "x" * 1025, "\ud800"])
def test_a_bad_run_id_leaves_nothing_behind(
    descriptors: Callable[[], set[Any]], server: TcpServer, run_id: str
) -> None:
    """RDZV-PARAM-3: it is refused before anything is hosted or connected, whoever would host."""
    gc.collect()
    before, threads = descriptors(), set(threading.enumerate())
    for endpoint, is_host in (("localhost:0", True), (str(server.endpoint), False)):
        params = RendezvousParameters("tcp", endpoint, "run", 1, 1, is_host=is_host)
        params.run_id = run_id  # checked where parameters are made, and they can be changed afterwards
        with pytest.raises(ValueError, match="run_id"):
            create_backend(params)
    assert set(threading.enumerate()) == threads
    assert descriptors() == before


def test_closing_while_a_call_waits_leaves_nothing_either(descriptors: Callable[[], set[Any]]) -> None:
    """RDZV-LIFE-3, -4: a thread waits and is ended; when close returns nothing is left."""
    before = descriptors()
    backend = create("localhost:0")
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            backend.wait_state(None, 60)
        except RendezvousConnectionError as error:
            errors.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    _until_waited_for(backend)
    began = time.monotonic()
    backend.close()
    assert time.monotonic() - began < 1
    assert descriptors() == before
    waiting.join(5)
    assert [str(error) for error in errors] == [
        f"tcp backend at '{backend.endpoint}': this instance is closed; create another one"
    ]


def test_after_close_every_call_is_a_connection_error(backend: TcpBackend) -> None:
    """RDZV-LIFE-1, -2: close twice, then every call says that the instance is closed."""
    backend.close()
    backend.close()
    for call in (
        backend.get_state,
        lambda: backend.set_state(b"x"),
        lambda: backend.wait_state(None, 1),
        backend.delete_state,
        lambda: backend.sibling("s"),
        lambda: backend.raw_store.get("k"),
    ):
        with pytest.raises(RendezvousConnectionError, match="this instance is closed"):
            call()  # type: ignore[operator]


@pytest.mark.parametrize("closed", ["the first", "the second"])
def test_closing_one_instance_disturbs_no_other(open_backend: Open, closed: str) -> None:
    """RDZV-LIFE-5: two instances and a sibling; one is closed, the others' calls and waits go on."""
    first = open_backend("127.0.0.1:0", read_timeout=10)
    second = open_backend(first.endpoint, read_timeout=10)
    gone, stays = (first, second) if closed == "the first" else (second, first)
    sibling = gone.sibling("s")
    results: list[Any] = []
    waiting = [
        threading.Thread(target=lambda one=one: results.append(one.wait_state(None, 60))) for one in (stays, sibling)
    ]  # type: ignore[misc]
    for thread in waiting:
        thread.start()
    _until_waited_for(first, 2)
    gone.close()
    assert stays.set_state(b"x")
    assert sibling.set_state(b"s")
    for thread in waiting:
        thread.join(20)
    assert sorted(result[1].state for result in results) == [b"s", b"x"]
    sibling.close()


def test_close_ends_a_wait_on_a_connection_that_others_keep(open_backend: Open, server: TcpServer) -> None:
    """RDZV-LIFE-3: a thread reads for all on a shared connection; closing its instance ends it, not the connection."""
    gone = open_backend(str(server.endpoint), is_host=False)
    stays = open_backend(str(server.endpoint), is_host=False)
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            gone.wait_state(None, 60)
        except RendezvousConnectionError as error:
            raised.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    deadline = time.monotonic() + 20
    while not probe(server).core.waiters and time.monotonic() < deadline:
        waiting.join(0.001)
    began = time.monotonic()
    gone.close()
    waiting.join(20)
    assert time.monotonic() - began < 1
    assert "this instance is closed" in str(raised[0])
    assert stays.set_state(b"x")


def test_the_last_instance_ends_the_store(free_port: int) -> None:
    """A store that this process hosts ends with the last instance that shares it, and not before."""
    first = create(f"127.0.0.1:{free_port}")
    second = create(f"127.0.0.1:{free_port}")
    assert (first.is_host, second.is_host) == (True, True)
    first.close()
    assert second.set_state(b"x")
    second.close()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", free_port)) != 0


def test_instances_of_a_process_share_one_connection(open_backend: Open) -> None:
    """However many instances and siblings: one connection from this process to an endpoint."""
    host = open_backend("127.0.0.1:0")
    others = [open_backend(host.endpoint, run_id=f"run {number}") for number in range(5)]
    siblings = [other.sibling("s") for other in others]
    for one in (*others, *siblings):
        one.set_state(b"x")
    assert len(probe(server_of(host)).core.connections) == 1
    for sibling in siblings:
        sibling.close()


def test_close_ends_an_attempt_to_connect_again(open_backend: Open, serve: Callable[..., Any]) -> None:
    """RDZV-LIFE-3: the host is gone, a call tries to connect for a minute: close ends it within a second."""
    server = serve()
    backend = open_backend(server.endpoint, read_timeout=60)
    backend.get_state()
    server.end()
    raised: list[BaseException] = []

    def read() -> None:
        try:
            backend.get_state()
        except RendezvousConnectionError as error:
            raised.append(error)

    reading = threading.Thread(target=read)
    reading.start()
    deadline = time.monotonic() + 20
    while not session_of(backend).client.connecting and time.monotonic() < deadline:
        reading.join(0.001)
    began = time.monotonic()
    backend.close()
    reading.join(20)
    assert time.monotonic() - began < 2
    assert "this instance is closed" in str(raised[0])


def _until_waited_for(backend: TcpBackend, count: int = 1) -> None:
    """Return once the server that `backend` hosts has `count` waiting requests."""
    core = probe(server_of(backend)).core
    tick = threading.Event()
    deadline = time.monotonic() + 20
    while len(core.waiters) < count:
        assert time.monotonic() < deadline
        tick.wait(0.001)
