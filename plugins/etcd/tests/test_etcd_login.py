"""The login: made once for a process, and renewed before it ends."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from rdzv_etcd import EtcdBackend, EtcdServer
from rdzv_etcd._client.client import EtcdClient
from rdzv_etcd._client.gateway import Gateway
from rdzv_etcd._client.session import Session
from rdzv_etcd._server.process import EtcdProcess, free_ports, standalone_flags

from rdzv_core import RendezvousConnectionError
from rdzv_core.endpoint import HostPort

Connect = Callable[..., EtcdBackend]
ROOT = {"user": "root", "password": "correct horse"}
HOST = "127.0.0.1"


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times at which this process logged in."""
    times: list[float] = []
    log_in = Session._log_in

    def noted(*arguments: Any) -> str:
        times.append(time.monotonic())
        return log_in(*arguments)

    monkeypatch.setattr(Session, "_log_in", noted)
    return times


def test_all_backends_and_threads_of_a_process_log_in_once(
    own_etcd: EtcdServer, connect: Connect, logins: list[float]
) -> None:
    """Each login costs etcd some 80 ms of a processor: 32 nodes in one process, at once, make one."""
    own_etcd.get_client().enable_users(ROOT["user"], ROOT["password"])
    together = threading.Barrier(32)

    def work(number: int) -> bytes:
        together.wait(30)
        backend = connect(own_etcd.get_endpoint(), run=f"login-{number}", **ROOT)
        assert backend.set_state(b"x")
        found = backend.get_state()
        assert found is not None
        return found.state

    with connect_first(own_etcd), ThreadPoolExecutor(32) as pool:
        assert list(pool.map(work, range(32))) == [b"x"] * 32
    assert len(logins) == 1


@contextlib.contextmanager
def connect_first(server: EtcdServer) -> Iterator[None]:
    """Wait until etcd asks for a user."""
    with EtcdClient(Gateway([HostPort(HOST, server.get_port())], None, None), timeout=5) as client:
        with pytest.raises(RendezvousConnectionError, match="user"):
            client.read(b"x")
        yield


@pytest.fixture
def jwt_etcd(etcd_binary: str, tmp_path: Path) -> Iterator[str]:
    """An etcd whose logins last for six seconds, and say so."""
    private, public = str(tmp_path / "private.pem"), str(tmp_path / "public.pem")
    for command in (["genrsa", "-out", private, "2048"], ["rsa", "-in", private, "-pubout", "-out", public]):
        subprocess.run(["openssl", *command], check=True, capture_output=True, timeout=60)
    peer_port, port = free_ports(HOST, 2)
    flags = standalone_flags("jwt", str(tmp_path / "data"), HOST, port, peer_port)
    token = f"jwt,pub-key={public},priv-key={private},sign-method=RS256,ttl=6s"
    process = EtcdProcess(etcd_binary, [*flags, f"--auth-token={token}"], subprocess.DEVNULL)
    try:
        with EtcdClient(Gateway([HostPort(HOST, port)], None, None), timeout=5) as client:
            ends = time.monotonic() + 30
            while True:
                try:
                    client.read(b"x")
                    break
                except RendezvousConnectionError:
                    assert time.monotonic() < ends
            client.enable_users(ROOT["user"], ROOT["password"])
        yield f"{HOST}:{port}"
    finally:
        process.stop(10)


def test_a_login_that_tells_its_end_is_renewed_before(
    jwt_etcd: str, connect: Connect, logins: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its second half, so that no request is ever refused; a wait over a stream that stands is not disturbed."""
    forgotten: list[float] = []
    monkeypatch.setattr(Session, "forget", lambda _: forgotten.append(time.monotonic()))
    backend = connect(jwt_etcd, **ROOT)
    result = backend.set_state(b"x")
    assert result is not None
    with ThreadPoolExecutor(1) as pool:
        wait = pool.submit(backend.wait_state, result.token, 30)
        while len(logins) < 3:
            assert backend.get_state() == (b"x", result.token)
        assert not wait.done()
        second = backend.set_state(b"y", result.token)
        assert second is not None
        assert wait.result(20) == (True, (b"y", second.token))
    assert not forgotten
