"""What goes wrong on the way: an etcd that restarts, stops answering or loses its data, and answers that get lost."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rdzv_etcd import EtcdBackend, EtcdServer

from rdzv_core import RendezvousConnectionError, SetStateResult

Connect = Callable[..., EtcdBackend]


def _set(backend: EtcdBackend, state: bytes, token: Any = None) -> SetStateResult:
    result = backend.set_state(state, token)
    assert result is not None
    return result


def _descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@pytest.fixture
def frozen() -> Iterator[Callable[[EtcdServer], None]]:
    """Stops an etcd from answering until the test ends, or until called again with the same one."""
    stopped: set[int] = set()

    def toggle(server: EtcdServer) -> None:
        pid = server.pid
        os.kill(pid, signal.SIGCONT if pid in stopped else signal.SIGSTOP)
        if pid not in stopped:
            os.waitpid(pid, os.WUNTRACED)  # the signal is sent before it has stopped all threads
        stopped.symmetric_difference_update({pid})

    yield toggle
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)


def test_E9_the_same_instance_goes_on_after_a_restart_of_etcd(own_etcd: EtcdServer, connect: Connect) -> None:
    """E9: while etcd is down calls fail, naming it; back on its data, it has the same state and token."""
    backend = connect(own_etcd.get_endpoint())
    before = _set(backend, b"x")
    port = own_etcd.get_port()
    own_etcd.stop()
    for call in (backend.get_state, lambda: backend.set_state(b"y", before.token)):
        with pytest.raises(RendezvousConnectionError, match=str(port)):
            call()
    own_etcd.start()
    assert own_etcd.get_port() == port
    assert backend.get_state() == (b"x", before.token)
    assert _set(backend, b"y", before.token).has_set


def test_E9_a_kept_connection_that_the_restart_ended_is_not_used(own_etcd: EtcdServer, connect: Connect) -> None:
    """E9: a write is the first call after a restart, and works, though the connection kept open is dead."""
    backend = connect(own_etcd.get_endpoint())
    before = _set(backend, b"x")
    own_etcd.stop()
    own_etcd.start()
    assert _set(backend, b"y", before.token).has_set


def test_an_etcd_that_lost_its_data_revives_no_token(
    own_etcd: EtcdServer, connect: Connect, tmp_path: Path, oracle: Callable[..., Any]
) -> None:
    """After a restart without data revisions count from 1 again; an old token is refused even at an equal revision."""
    backend = connect(own_etcd.get_endpoint())
    old = _set(backend, b"x")
    revision = oracle(own_etcd.get_endpoint()).kv(backend.key)["mod_revision"]
    own_etcd.stop()
    shutil.rmtree(tmp_path / "etcd")
    own_etcd.start()
    other = connect(own_etcd.get_endpoint())
    new = _set(other, b"x")
    assert oracle(own_etcd.get_endpoint()).kv(backend.key)["mod_revision"] == revision
    assert _set(backend, b"y", old.token) == (b"x", new.token, False)


def test_an_etcd_stopped_in_the_middle_of_a_call_is_an_error_in_time(
    own_etcd: EtcdServer, connect: Connect, frozen: Callable[[EtcdServer], None]
) -> None:
    """SIGSTOP: a read, a write and a wait each fail within read_timeout; once etcd goes on, so does the instance."""
    backend = connect(own_etcd.get_endpoint(), read_timeout=1)
    token = _set(backend, b"x").token
    frozen(own_etcd)
    calls: list[Callable[[], object]] = [
        backend.get_state,
        lambda: backend.set_state(b"y", token),
        lambda: backend.set_state(b"y"),
        backend.delete_state,
        lambda: backend.wait_state(token, 0.1),
    ]
    for call in calls:
        started = time.monotonic()
        with pytest.raises(RendezvousConnectionError, match=own_etcd.get_endpoint()) as caught:
            call()
        assert time.monotonic() - started < 5
        assert isinstance(caught.value.__cause__, TimeoutError)
    frozen(own_etcd)
    sibling = backend.sibling("after")
    assert _set(sibling, b"z").has_set
    sibling.close()


def test_closing_ends_every_blocked_call_within_a_second(
    own_etcd: EtcdServer,
    connect: Connect,
    frozen: Callable[[EtcdServer], None],
    eventually: Callable[[Callable[[], object]], None],
) -> None:
    """close from another thread ends calls that wait for an answer, and leaves those of a sibling alone."""
    backend = connect(own_etcd.get_endpoint(), read_timeout=50)
    token = _set(backend, b"x").token
    sibling = backend.sibling("s")
    frozen(own_etcd)
    ended: list[tuple[str, Exception | None]] = []

    def run(name: str, call: Callable[[], object]) -> None:
        try:
            call()
        except RendezvousConnectionError as error:
            ended.append((name, error))
        else:
            ended.append((name, None))

    calls: list[tuple[str, Callable[[], object]]] = [
        ("get", backend.get_state),
        ("set", lambda: backend.set_state(b"y", token)),
        ("delete", backend.delete_state),
        ("wait", lambda: backend.wait_state(token, 40)),
    ]
    threads = [threading.Thread(target=run, args=call) for call in calls]
    other = threading.Thread(target=run, args=("sibling", sibling.get_state))
    for thread in [*threads, other]:
        thread.start()
    eventually(lambda: len(backend.client.calls) == len(calls) and all(c.sent for c in backend.client.calls))
    eventually(lambda: any(call.sent for call in sibling.client.calls))
    started = time.monotonic()
    backend.close()
    for thread in threads:
        thread.join(10)
    assert time.monotonic() - started < 1
    assert sorted(name for name, error in ended if error is not None) == ["delete", "get", "set", "wait"]
    assert all("closed" in str(error) for _, error in ended)
    frozen(own_etcd)
    other.join(20)
    assert ended[-1] == ("sibling", None)
    sibling.close()


def test_a_lost_answer_is_resolved_by_the_nonce(etcd: EtcdServer, connect: Connect, proxy: Any) -> None:
    """A write that took effect but whose answer was cut off is reported as the success that it is, and done once."""
    backend, witness = connect(proxy.endpoint), connect(etcd.get_endpoint())
    first = _set(backend, b"x")
    proxy.cut_next("answer")
    second = _set(backend, b"y", first.token)
    assert proxy.cuts == 1
    assert second.has_set
    assert witness.get_state() == (b"y", second.token)
    sibling = backend.sibling("created")
    proxy.cut_next("answer")
    assert _set(sibling, b"z").has_set
    sibling.close()


def test_a_lost_request_that_creates_is_an_unknown_outcome(etcd: EtcdServer, connect: Connect, proxy: Any) -> None:
    """A first write that was cut off on its way may still arrive, even after a deletion: it is raised, not repeated."""
    backend = connect(proxy.endpoint)
    backend.enter(b"x", 60)  # so that the run is founded, and the write is the next request
    proxy.cut_next("request")
    with pytest.raises(RendezvousConnectionError, match="may or may not have taken effect") as caught:
        backend.set_state(b"x")
    assert caught.value.__cause__ is not None
    assert proxy.cuts == 1
    assert backend.get_state() is None
    assert _set(backend, b"x").has_set


def test_a_lost_request_that_replaces_is_sent_again(etcd: EtcdServer, connect: Connect, proxy: Any) -> None:
    """While the record that it replaces is still there the write is sent again: of the two one at most takes effect."""
    backend, witness = connect(proxy.endpoint), connect(etcd.get_endpoint())
    first = _set(backend, b"x")
    proxy.cut_next("request")
    second = _set(backend, b"y", first.token)
    assert proxy.cuts == 1
    assert second.has_set
    assert witness.get_state() == (b"y", second.token)


def test_a_lost_request_is_not_sent_again_over_somebody_elses_write(
    etcd: EtcdServer, connect: Connect, proxy: Any
) -> None:
    """Another writer came first: whether the lost write was there before it is unknown, so it is an error."""
    backend, other = connect(proxy.endpoint), connect(etcd.get_endpoint())
    first = _set(backend, b"x")
    written: list[SetStateResult] = []
    proxy.cut_next("request", before=lambda: written.append(_set(other, b"z", first.token)))
    with pytest.raises(RendezvousConnectionError, match="may or may not have taken effect"):
        backend.set_state(b"y", first.token)
    assert backend.get_state() == (b"z", written[0].token)


def test_ones_own_success_is_never_reported_as_refused(etcd: EtcdServer, connect: Connect, proxy: Any) -> None:
    """A write took effect, its answer was lost, and another writer came after it: that is raised as unknown."""
    backend, other = connect(proxy.endpoint), connect(etcd.get_endpoint())
    first = _set(backend, b"x")

    def overwrite() -> None:
        snapshot = other.get_state()
        assert snapshot is not None
        assert snapshot.state == b"y"
        assert _set(other, b"z", snapshot.token).has_set

    proxy.cut_next("answer", before=overwrite)
    with pytest.raises(RendezvousConnectionError, match="may or may not have taken effect"):
        backend.set_state(b"y", first.token)
    assert proxy.cuts == 1
    current = backend.get_state()
    assert current is not None
    assert current.state == b"z"


@pytest.mark.parametrize("what", ["request", "answer"])
def test_a_read_whose_connection_was_cut_is_repeated(etcd: EtcdServer, connect: Connect, proxy: Any, what: str) -> None:
    """Reading changes nothing, so one cut connection does not show."""
    backend = connect(proxy.endpoint)
    result = _set(backend, b"x")
    proxy.cut_next(what)
    assert backend.get_state() == (b"x", result.token)
    assert proxy.cuts == 1


def test_another_endpoint_takes_over(etcd: EtcdServer, connect: Connect, closed_port: int) -> None:
    """Of several endpoints those that refuse the connection are passed over, in writes too."""
    backend = connect(f"127.0.0.1:{closed_port},{etcd.get_endpoint()}")
    first = _set(backend, b"x")
    endpoints = backend.client.endpoints
    endpoints.answered(next(one for one in endpoints.all if one.port == closed_port), 0.0, time.monotonic())
    assert _set(backend, b"y", first.token).has_set
    assert backend.wait_state(first.token, 10)[0]


def test_a_silent_endpoint_costs_its_share_of_the_time(etcd: EtcdServer, connect: Connect, silent_port: int) -> None:
    """A read goes on to the next endpoint in time, and later calls start with the one that answered."""
    backend = connect(f"127.0.0.1:{silent_port},{etcd.get_endpoint()}", read_timeout=2)
    assert _set(backend, b"x").has_set


def test_every_endpoint_that_was_given_is_named(connect: Connect, closed_port: int) -> None:
    """When none answers the error names all of them."""
    endpoints = f"127.0.0.1:{closed_port},localhost:{closed_port}"
    with pytest.raises(RendezvousConnectionError, match=endpoints):
        connect(endpoints, read_timeout=5)


@pytest.fixture(params=["header", "body", "chunks"])
def trickling_port(request: pytest.FixtureRequest) -> Iterator[int]:
    """A server that answers one byte at a time, for ever: in its header, its body, or the chunks of its body."""
    start = {
        "header": b"HTTP/1.1 200 OK\r\nX-Slow: ",
        "body": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
        "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8000\r\n",
    }[request.param]
    done = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                try:
                    client.sendall(start)
                    while not done.wait(0.05):
                        client.sendall(b" ")
                except OSError:
                    pass  # the client gave up

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    done.set()
    listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    listener.close()


def test_an_answer_that_trickles_does_not_extend_the_deadline(connect: Connect, trickling_port: int) -> None:
    """read_timeout is for the whole call, however often a byte arrives."""
    started = time.monotonic()
    with pytest.raises(RendezvousConnectionError, match="timed out"):
        connect(f"127.0.0.1:{trickling_port}", read_timeout=1)
    assert time.monotonic() - started < 5


def test_closing_leaves_no_descriptor_and_no_thread(etcd: EtcdServer, connect: Connect) -> None:
    """After close everything that the instance and its siblings opened is gone, waits and failures included."""
    descriptors, threads = _descriptors(), threading.active_count()
    backend = connect(etcd.get_endpoint())
    sibling = backend.sibling("s")
    _set(sibling, b"x")
    barrier = threading.Barrier(6)

    def use() -> None:
        barrier.wait()
        sibling.get_state()
        backend.wait_state(None, 0.05)

    users = [threading.Thread(target=use) for _ in range(6)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert _descriptors() > descriptors
    backend.close()
    sibling.close()
    assert _descriptors() == descriptors
    assert threading.active_count() == threads
