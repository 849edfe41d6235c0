"""Which errors waiting may fix and which it cannot, and what an operator is told."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from rdzv_etcd import EtcdBackend, EtcdCluster, EtcdServer

from rdzv_core import RendezvousConfigurationError, RendezvousConnectionError

Connect = Callable[..., EtcdBackend]


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b"])
def test_a_name_that_does_not_resolve_may_resolve_later(connect: Connect, host: str) -> None:
    """DNS may be slower than the job: it is worth waiting for."""
    with pytest.raises(RendezvousConnectionError) as caught:
        connect(host, read_timeout=20)
    assert not isinstance(caught.value, RendezvousConfigurationError)


def test_refused_and_silent_endpoints_may_come_up_later(connect: Connect, closed_port: int, silent_port: int) -> None:
    """Each is named with what happened there."""
    with pytest.raises(RendezvousConnectionError) as caught:
        connect(f"127.0.0.1:{closed_port},127.0.0.1:{silent_port}", read_timeout=2)
    assert not isinstance(caught.value, RendezvousConfigurationError)
    for words in (f"127.0.0.1:{closed_port}: [Errno", f"127.0.0.1:{silent_port}: timed out"):
        assert words in str(caught.value)


def _write_for_ever(backend: EtcdBackend) -> None:
    token = None
    while True:
        result = backend.set_state(b"x" * 100_000, token)
        assert result is not None
        token = result.token


def test_a_full_etcd_says_what_an_operator_does_about_it(etcd_binary: str, connect: Connect) -> None:
    """NOSPACE is cured by an operator, not by other options: the error is transient, and after the cure writes work."""
    with EtcdCluster(1, binary=etcd_binary, flags=["--quota-backend-bytes=1048576"]) as full:
        backend = connect(full.endpoints)
        with pytest.raises(RendezvousConnectionError, match="database space exceeded") as caught:
            _write_for_ever(backend)
        assert not isinstance(caught.value, RendezvousConfigurationError)
        for words in ("etcdctl compact", "etcdctl defrag", "etcdctl alarm disarm", "--quota-backend-bytes"):
            assert words in str(caught.value)
        assert backend.get_state() is not None  # reading goes on
        client = backend.client
        member = str(int(client.status()[0], 16))
        client.request("/v3/kv/compaction", {"revision": str(client.read(b"x").revision), "physical": True})
        client.request("/v3/maintenance/defragment", {})
        client.request("/v3/maintenance/alarm", {"action": "DEACTIVATE", "alarm": "NOSPACE", "memberID": member})
        snapshot = backend.get_state()
        assert snapshot is not None
        assert backend.set_state(b"y", snapshot.token).has_set  # type: ignore[union-attr]


def test_reset_removes_every_key_of_a_run_that_is_over(
    own_etcd: EtcdServer, run_id: str, oracle: Callable[..., Any]
) -> None:
    """Four nodes leave registers and the incarnation; `rdzv reset` removes every key, and the run can be used again."""
    where = ["--backend", "etcd", "--endpoint", own_etcd.get_endpoint(), "--run-id", run_id]
    rdzv = [sys.executable, "-m", "rdzv_core"]
    for _ in range(2):
        run = [*rdzv, "run", *where, "--nodes", "4", "--quiet", "--", "true"]
        nodes = [subprocess.Popen(run) for _ in range(4)]
        assert [node.wait(60) for node in nodes] == [0, 0, 0, 0]
        keys = oracle(own_etcd.get_endpoint()).keys()
        registers = [key for key in keys if key.startswith(b"/rdzv/rdzv.")]
        assert len(registers) >= 2, "the head, the run's history"
        assert len(keys) > len(registers), "the incarnation of the memberships, under the run's lease"
        done = subprocess.run([*rdzv, "reset", *where], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert f"removed from the store ({len(registers)} registers)" in done.stdout
        assert oracle(own_etcd.get_endpoint()).keys() == set()


def test_a_url_as_an_endpoint_is_refused_with_what_to_give(connect: Connect) -> None:
    """The scheme is an option here."""
    with pytest.raises(ValueError, match="leave out 'http://': give h:2379"):
        connect("http://h:2379")


def test_an_etcd_without_the_v3_api_is_a_configuration_error(etcd: EtcdServer, connect: Connect) -> None:
    """A path that does not exist there will not exist later either."""
    client = connect(etcd.get_endpoint()).client
    with pytest.raises(RendezvousConfigurationError):
        client.request("/v3/no/such", {"key": base64.b64encode(b"x").decode()})
