"""Waiting for a change over etcd's watch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from rdzv_etcd import EtcdBackend, EtcdServer

from rdzv_core import RendezvousConnectionError, RendezvousStateError, SetStateResult

Connect = Callable[..., EtcdBackend]
Eventually = Callable[[Callable[[], object]], None]


def _set(backend: EtcdBackend, state: bytes, token: Any = None) -> SetStateResult:
    result = backend.set_state(state, token)
    assert result is not None
    return result


@pytest.fixture
def waiting(eventually: Eventually) -> Any:
    """Starts a wait in a thread and returns when its watch stands."""
    with ThreadPoolExecutor(8) as pool:

        def start(backend: EtcdBackend, token: Any, timeout: float = 30) -> Future[Any]:
            future = pool.submit(backend.wait_state, token, timeout)
            eventually(lambda: future.done() or _watches(backend))
            return future

        yield start


def _watches(backend: EtcdBackend) -> bool:
    return any(call.deadline - time.monotonic() < 35 and call.sent for call in backend.client.calls)


def test_what_differs_already_is_reported_at_once(etcd: EtcdServer, connect: Connect) -> None:
    """A stale token, or None where there is a state, waits for nothing; the current one waits its time out."""
    backend = connect(etcd.get_endpoint())
    assert backend.wait_state(b"stale", 30) == (True, None)
    result = _set(backend, b"x")
    assert backend.wait_state(None, 30) == (True, (b"x", result.token))
    assert backend.wait_state(b"stale", 30) == (True, (b"x", result.token))
    started = time.monotonic()
    assert backend.wait_state(result.token, 0.2) == (False, (b"x", result.token))
    assert time.monotonic() - started >= 0.2
    assert backend.wait_state(result.token, 0) == (False, (b"x", result.token))
    assert backend.wait_state(result.token, -1) == (False, (b"x", result.token))


def test_creation_change_and_deletion_end_a_wait(etcd: EtcdServer, connect: Connect, waiting: Any) -> None:
    """Each of the three is a change, seen by another instance as soon as it happens."""
    watcher, writer = connect(etcd.get_endpoint()), connect(etcd.get_endpoint())
    wait = waiting(watcher, None)
    created = _set(writer, b"x")
    assert wait.result(20) == (True, (b"x", created.token))
    wait = waiting(watcher, created.token)
    changed = _set(writer, b"x", created.token)
    assert wait.result(20) == (True, (b"x", changed.token))
    wait = waiting(watcher, changed.token)
    assert writer.delete_state(changed.token)
    assert wait.result(20) == (True, None)


def test_E8_a_wait_holds_up_no_other_call(etcd: EtcdServer, connect: Connect, waiting: Any) -> None:
    """E8: reading an absent key never blocks, and while threads wait the same instance reads and writes."""
    backend = connect(etcd.get_endpoint(), read_timeout=30)
    waits = [waiting(backend, None) for _ in range(4)]
    started = time.monotonic()
    assert backend.get_state() is None
    result = _set(backend, b"x")
    assert time.monotonic() - started < 10
    assert [wait.result(20) for wait in waits] == [(True, (b"x", result.token))] * 4


def test_no_wake_up_is_lost(etcd: EtcdServer, connect: Connect) -> None:
    """However a write falls into the start of a wait, the wait ends by it: 150 times, unsynchronised on purpose."""
    watcher, writer = connect(etcd.get_endpoint()), connect(etcd.get_endpoint())
    token = _set(writer, b"0").token
    go = threading.Barrier(2)

    def write() -> None:
        current: Any = token
        for number in range(150):
            go.wait(30)
            current = _set(writer, b"%d" % number, current).token

    thread = threading.Thread(target=write)
    thread.start()
    for _ in range(150):
        go.wait(30)
        changed, snapshot = watcher.wait_state(token, 20)
        assert changed
        assert snapshot is not None
        token = snapshot.token
    thread.join()


def test_a_change_elsewhere_does_not_end_a_wait(etcd: EtcdServer, connect: Connect, waiting: Any) -> None:
    """Writes to a sibling, or to a key that the watched one is a prefix of, are not seen."""
    backend = connect(etcd.get_endpoint())
    sibling = backend.sibling("s")
    wait = waiting(backend, None, 1.0)
    _set(sibling, b"x")
    etcd.get_client().put(backend.key + b"x", b"y")
    assert wait.result(20) == (False, None)
    sibling.close()


def test_the_same_record_written_again_does_not_end_a_wait(etcd: EtcdServer, connect: Connect, waiting: Any) -> None:
    """Only another token counts as a change."""
    backend = connect(etcd.get_endpoint())
    token = _set(backend, b"x").token
    wait = waiting(backend, token, 0.6)
    record = etcd.get_client().get(backend.key)
    assert record is not None
    etcd.get_client().put(backend.key, record)
    assert wait.result(20) == (False, (b"x", token))


def test_corruption_ends_a_wait_with_an_error(etcd: EtcdServer, connect: Connect, waiting: Any) -> None:
    """A damaged state is not reported as a state."""
    backend = connect(etcd.get_endpoint())
    token = _set(backend, b"x").token
    wait = waiting(backend, token)
    etcd.get_client().put(backend.key, b"garbage")
    with pytest.raises(RendezvousStateError):
        wait.result(20)


def test_a_compacted_revision_is_no_obstacle(
    own_etcd: EtcdServer, connect: Connect, oracle: Callable[..., Any], waiting: Any
) -> None:
    """Where the stream would go on from a revision that is compacted away, everybody looks again, and waits on."""
    backend, etcd = connect(own_etcd.get_endpoint()), oracle(own_etcd.get_endpoint())
    token = _set(backend, b"0").token
    wait = waiting(backend, token)
    for number in range(5):
        etcd.put(b"another", b"%d" % number)
    revision = own_etcd.get_client().read(backend.key).revision
    etcd.post("/v3/kv/compaction", {"revision": str(revision)})
    sibling = backend.sibling("s")
    siblings = waiting(sibling, None)  # opens the stream again
    assert not wait.done()
    changed = _set(backend, b"1", token)
    assert wait.result(20) == (True, (b"1", changed.token))
    _set(sibling, b"x")
    assert siblings.result(20)[0]
    sibling.close()


def test_E9_a_wait_outlives_a_restart_of_etcd(own_etcd: EtcdServer, connect: Connect, waiting: Any) -> None:
    """E9: a wait that stood before the restart is ended by a write after it."""
    watcher = connect(own_etcd.get_endpoint())
    token = _set(watcher, b"x").token
    wait = waiting(watcher, token)
    own_etcd.stop()
    own_etcd.start()
    changed = _set(connect(own_etcd.get_endpoint()), b"y", token)
    assert wait.result(20) == (True, (b"y", changed.token))


def test_a_wait_on_an_etcd_that_is_gone_fails(own_etcd: EtcdServer, connect: Connect, waiting: Any) -> None:
    """When etcd does not come back within a few seconds, a long wait is given up, not sat out."""
    watcher = connect(own_etcd.get_endpoint())
    wait = waiting(watcher, None, 30)
    own_etcd.stop()
    started = time.monotonic()
    with pytest.raises(RendezvousConnectionError, match=own_etcd.get_endpoint()):
        wait.result(29)
    assert time.monotonic() - started < 15


def test_closing_ends_a_wait_within_a_second(etcd: EtcdServer, connect: Connect, waiting: Any) -> None:
    """close from another thread ends the wait with an error, a sibling's wait goes on."""
    backend = connect(etcd.get_endpoint())
    sibling = backend.sibling("s")
    wait, others = waiting(backend, None), waiting(sibling, None)
    started = time.monotonic()
    backend.close()
    with pytest.raises(RendezvousConnectionError, match="closed"):
        wait.result(10)
    assert time.monotonic() - started < 1
    assert not others.done()
    _set(sibling, b"x")
    assert others.result(20)[0]
    sibling.close()


def test_a_cut_watch_is_taken_up_again(etcd: EtcdServer, connect: Connect, waiting: Any, proxy: Any) -> None:
    """A connection that is cut just when it brings the change costs only another read."""
    watcher, writer = connect(proxy.endpoint), connect(etcd.get_endpoint())
    token = _set(writer, b"x").token
    wait = waiting(watcher, token)
    proxy.cut_next("answer")
    changed = _set(writer, b"y", token)
    assert wait.result(20) == (True, (b"y", changed.token))
    assert proxy.cuts == 1


def test_a_long_wait_looks_again_every_read_timeout(etcd: EtcdServer, connect: Connect) -> None:
    """A wait longer than read_timeout is made of several watches, and still ends on time."""
    backend = connect(etcd.get_endpoint(), read_timeout=1)
    started = time.monotonic()
    assert backend.wait_state(None, 2.5) == (False, None)
    assert 2.5 <= time.monotonic() - started < 10
