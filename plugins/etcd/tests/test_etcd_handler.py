"""C2 to C5 and C7: whole rendezvous over a real etcd."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from rdzv_etcd import EtcdServer

from rdzv_core import (
    RendezvousClosedError,
    RendezvousHandler,
    RendezvousInfo,
    RendezvousParameters,
    RendezvousRoundOverError,
    create_handler,
)

MakeHandler = Callable[..., RendezvousHandler]


@pytest.fixture
def handler(etcd: EtcdServer, run_id: str) -> Iterator[MakeHandler]:
    """Makes a handler of the test's run; closed after the test."""
    made: list[RendezvousHandler] = []

    def make(nodes: int = 1, backend: str = "etcd", **config: Any) -> RendezvousHandler:
        params = RendezvousParameters(backend, etcd.get_endpoint(), f"handler-{run_id}", nodes, nodes, **config)
        made.append(create_handler(params))
        return made[-1]

    yield make
    for one in made:
        one.close()


def _meet(*handlers: RendezvousHandler) -> list[RendezvousInfo]:
    with ThreadPoolExecutor(len(handlers)) as pool:
        return list(pool.map(lambda one: one.next_rendezvous(), handlers))


@pytest.mark.parametrize("backend", ["etcd", "etcd-v2"])
def test_C2_a_handler_from_the_least_parameters(handler: MakeHandler, backend: str) -> None:
    """C2: backend, endpoint, run id and one node are enough."""
    assert isinstance(handler(backend=backend), RendezvousHandler)


def test_C3_a_handler_with_the_references_parameters(handler: MakeHandler, run_id: str) -> None:
    """C3: timeout, last_call_timeout and protocol are understood; the handler knows its run."""
    made = handler(timeout=60, last_call_timeout=30, protocol="http")
    assert made.settings.join_timeout == 60
    assert made.settings.last_call_timeout == 30
    assert made.get_run_id() == f"handler-{run_id}"


def test_C4_the_handler_names_its_backend(handler: MakeHandler) -> None:
    """C4: get_backend gives "etcd"."""
    assert handler().get_backend() == "etcd"


def test_C5_one_node_meets_itself(handler: MakeHandler) -> None:
    """C5: with one node, rank 0 of 1, and a store that works."""
    info = handler().next_rendezvous()
    assert (info.rank, info.world_size) == (0, 1)
    assert info.store is not None
    info.store.set("key", b"value")
    assert info.store.get("key", timeout=20) == b"value"


def test_C7_get_waits_until_another_client_sets_the_key(handler: MakeHandler) -> None:
    """C7: of two nodes of a run one gets a key that the other sets only after that."""
    infos = _meet(handler(2), handler(2))
    assert sorted(info.rank for info in infos) == [0, 1]
    one, other = (info.store for info in infos)
    asked = threading.Event()

    def get() -> bytes:
        asked.set()
        return one.get("key", timeout=30)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(get)
        assert asked.wait(20)
        assert not one.check(["key"])
        assert not waiting.done()
        other.set("key", b"value")
        assert waiting.result(30) == b"value"


def test_a_read_ends_when_the_peer_that_should_have_set_the_key_has_left(handler: MakeHandler) -> None:
    """The round is over, and the error names the key and the reason."""
    stays, goes = handler(2), handler(2)
    (info, _) = _meet(stays, goes)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(info.store.get, "key")
        goes.leave()
        with pytest.raises(RendezvousRoundOverError, match="'key' will not be set in it: LOST"):
            waiting.result(60)


def test_four_nodes_agree_and_a_closed_run_stays_closed(handler: MakeHandler) -> None:
    """Ranks are 0 to 3, everybody has the same round and peers; after close_run nobody meets again."""
    handlers = [handler(4) for _ in range(4)]
    infos = _meet(*handlers)
    assert sorted(info.rank for info in infos) == [0, 1, 2, 3]
    assert len({(info.epoch, info.round, info.fence, info.world_size) for info in infos}) == 1
    handlers[0].close_run()
    assert all(one.is_closed() for one in handlers)
    with pytest.raises(RendezvousClosedError):
        handlers[1].next_rendezvous()


def test_a_run_goes_on_after_etcd_was_restarted(own_etcd: EtcdServer) -> None:
    """etcd is stopped and started on its data under a job that works: the run is still there for the next round."""
    params = RendezvousParameters("etcd", own_etcd.get_endpoint(), "restart", 1, 1)
    with create_handler(params) as handler:
        first = handler.next_rendezvous()
        own_etcd.stop()
        own_etcd.start()
        second = handler.next_rendezvous()
    assert (second.epoch, second.rank) == (first.epoch, 0)
    assert second.fence > first.fence
