"""`EtcdCluster`: a real cluster whose members can be killed, stopped and cut off."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rdzv_etcd import EtcdCluster
from rdzv_etcd._server.forwarders import ForwarderLoop

from rdzv_core import RendezvousError

Eventually = Callable[[Callable[[], object]], None]


def _answers(endpoint: str) -> bool:
    """Return whether the member at the endpoint answers a request that needs no other member, within 0.3 s."""
    host, _, port = endpoint.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=0.3) as sock:
        sock.sendall(b"GET /version HTTP/1.1\r\nHost: etcd\r\n\r\n")
        try:
            return bool(sock.recv(1))
        except TimeoutError:
            return False


def test_a_write_to_one_member_is_read_from_another(cluster: EtcdCluster, oracle: Callable[..., Any]) -> None:
    """They form one cluster of three, and each answers at its own endpoint."""
    one, _, another = cluster.endpoints.split(",")
    oracle(one).put(b"key", b"value")
    assert oracle(another).value(b"key") == b"value"


def test_a_killed_member_refuses_and_returns_with_its_data(cluster: EtcdCluster, oracle: Callable[..., Any]) -> None:
    """After kill its port refuses; restart brings it back at the same endpoint, where it catches up."""
    leader = cluster.leader()
    victim = (leader + 1) % 3
    endpoint = cluster.endpoint(victim)
    cluster.kill(victim)
    with pytest.raises(ConnectionRefusedError):
        _answers(endpoint)
    oracle(cluster.endpoint(leader)).put(b"key", b"value")
    cluster.restart(victim)
    cluster.wait_ready(30)
    assert oracle(endpoint).value(b"key") == b"value"


@pytest.mark.parametrize("how", ["pause", "cut"])
def test_a_silent_member_takes_connections_and_says_nothing(cluster: EtcdCluster, how: str) -> None:
    """Neither SIGSTOP nor a cut link closes or refuses anything; undone, the member answers again."""
    begin, end = (cluster.pause, cluster.resume) if how == "pause" else (cluster.cut, cluster.heal)
    begin(1)
    assert not _answers(cluster.endpoint(1))
    assert _answers(cluster.endpoint(2))
    end(1)
    cluster.wait_ready(30)
    assert _answers(cluster.endpoint(1))


@pytest.mark.parametrize("how", ["kill", "pause", "cut"])
def test_the_others_elect_a_leader_when_theirs_is_lost(cluster: EtcdCluster, how: str, eventually: Eventually) -> None:
    """A leader that is killed, paused or cut off no longer leads; back again, it follows."""
    old = cluster.leader()
    getattr(cluster, how)(old)
    eventually(lambda: cluster.leader() != old)
    getattr(cluster, {"kill": "restart", "pause": "resume", "cut": "heal"}[how])(old)
    cluster.wait_ready(30)
    assert cluster.leader() in range(3)


def test_a_stopped_cluster_leaves_no_process_directory_or_thread(etcd_binary: str) -> None:
    """stop also ends paused and cut members, and may be called twice."""
    threads = threading.active_count()
    cluster = EtcdCluster(3, binary=etcd_binary)
    cluster.start()
    assert cluster.directory
    directory = Path(cluster.directory)
    assert len(list(directory.iterdir())) == 3
    with pytest.raises(RendezvousError, match="running already"):
        cluster.start()
    cluster.pause(0)
    cluster.cut(1)
    cluster.stop()
    cluster.stop()
    assert not directory.exists()
    assert threading.active_count() == threads
    with pytest.raises(RendezvousError, match="start\\(\\) it first"):
        cluster.kill(0)


def test_a_cluster_ends_with_the_interpreter(etcd_binary: str, eventually: Eventually) -> None:
    """Nobody has to call stop."""
    code = (
        "import sys; from rdzv_etcd import EtcdCluster; c = EtcdCluster(1, binary=sys.argv[1]); c.start(); "
        "print(c.directory, c.endpoints)"
    )
    done = subprocess.run([sys.executable, "-c", code, etcd_binary], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    directory, endpoint = done.stdout.split()
    assert not Path(directory).exists()
    with pytest.raises(ConnectionRefusedError):
        _answers(endpoint)


def test_members_that_do_not_serve_are_an_error_with_their_last_words(etcd_binary: str) -> None:
    """A flag that etcd does not know ends the members at once; nothing is left of them."""
    cluster = EtcdCluster(1, binary=etcd_binary, flags=["--no-such-flag"])
    started = time.monotonic()
    with pytest.raises(RendezvousError, match="no-such-flag"):
        cluster.start()
    assert time.monotonic() - started < 30
    assert repr(cluster) == "<EtcdCluster stopped>"


def _listen_as_etcd_does(port: int) -> None:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen()


def test_a_forwarder_holds_its_port_before_it_listens_and_while_it_refuses() -> None:
    """An etcd of another cluster that had found the port free must not get it: both would take it for theirs."""
    loop = ForwarderLoop()
    forwarder = loop.forwarder(1, lambda _: False)
    try:
        for step in (forwarder.open, forwarder.refuse, forwarder.open):
            with pytest.raises(OSError, match="in use"):
                _listen_as_etcd_does(forwarder.port)
            loop.run(step())
    finally:
        loop.close()
