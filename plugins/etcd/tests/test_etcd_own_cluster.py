"""The cluster that `rdzv certify etcd --cluster` starts: a member is lost in each test, and the store serves."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rdzv_conformance import Sandbox
from rdzv_etcd import EtcdBackend, EtcdCluster
from rdzv_etcd._struck_cluster import StruckCluster
from rdzv_etcd.conformance import OwnCluster, own_cluster

from rdzv_core import RendezvousConnectionError

Connect = Callable[..., EtcdBackend]


@pytest.fixture
def lent(tmp_path: Path) -> Iterator[OwnCluster]:
    """What the suite is lent."""
    with own_cluster(Sandbox(tmp_path)) as store:
        yield store


def _accepts(endpoint: str) -> bool:
    host, port = endpoint.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=20).close()
    except ConnectionRefusedError:
        return False
    return True


def test_every_test_finds_a_cluster_that_serves(lent: OwnCluster, connect: Connect, tmp_path: Path) -> None:
    """Whatever was struck before it, and after all were killed; nothing is left of it afterwards."""
    backend = connect(lent.endpoint, read_timeout=20)
    token: Any = None
    for number in range(4):
        lent.before_test()
        result = backend.set_state(b"%d" % number, token)
        assert result is not None
        assert result.has_set
        token = result.token
    lent.restart()
    assert backend.get_state() == (b"3", token)


def test_a_pause_silences_all_that_runs(lent: OwnCluster, connect: Connect) -> None:
    """Also where one of them is killed; they go on where they were."""
    backend = connect(lent.endpoint, read_timeout=6)
    lent.before_test()
    lent.pause()
    with pytest.raises(RendezvousConnectionError):
        backend.get_state()
    lent.resume()
    lent.before_test()
    assert backend.get_state() is None


def test_the_strikes_take_turns(cluster: EtcdCluster) -> None:
    """The leader is killed, the leader is stopped, a follower is cut off; one at a time."""
    struck = StruckCluster(cluster)
    shown = []
    for _ in range(4):
        struck.before_test()
        words = repr(cluster)
        shown.append([word for word in ("killed", "paused", "cut") if word in words])
    assert shown == [["killed"], ["paused"], ["cut"], ["killed"]]
    struck.restart()
    assert repr(cluster).count("pid") == 3


def test_its_end_leaves_nothing(tmp_path: Path) -> None:
    """No member listens, no data is left, also when a member is stopped at that time."""
    with own_cluster(Sandbox(tmp_path)) as store:
        store.before_test()
        store.before_test()
        assert any(map(_accepts, store.endpoint.split(",")))
    assert not any(map(_accepts, store.endpoint.split(",")))
    assert not list(tmp_path.iterdir())
