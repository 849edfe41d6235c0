"""Two hosts that know each other by nothing but the store: network namespaces, each with a host name of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SECONDS = 60
ADDRESSES = "10.77.0.1", "10.77.0.2"

WORKER = """
import json, os, socket
address, rank = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])), int(os.environ["RANK"])
if rank == 0:
    with socket.create_server(address) as listener:
        for _ in range(int(os.environ["WORLD_SIZE"]) - 1):
            listener.accept()[0].close()
else:
    while True:
        try:
            socket.create_connection(address, 5).close()
            break
        except ConnectionRefusedError:
            pass
print(json.dumps([rank, *address]))
"""


@pytest.fixture
def hosts() -> Iterator[list[list[str]]]:
    """Return, for each of two hosts with a network between them, what a command must begin with to run there."""
    if shutil.which("ip") is None or shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("needs network namespaces: root, and the commands ip and unshare")
    names = [f"rdzv{os.getpid()}{letter}" for letter in "ab"]
    try:
        for name in names:
            if subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True).returncode:
                pytest.skip("needs network namespaces: ip netns add is refused here")
        _ip("link", "add", "veth0", "netns", names[0], "type", "veth", "peer", "name", "veth0", "netns", names[1])
        for name, address, other in zip(names, ADDRESSES, reversed(ADDRESSES), strict=True):
            for arguments in (
                ("addr", "add", f"{address}/24", "dev", "veth0"),
                ("link", "set", "veth0", "up"),
                ("link", "set", "lo", "up"),
                ("route", "add", "default", "via", other),
            ):
                _ip("-n", name, *arguments)
        yield [["ip", "netns", "exec", name] for name in names]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=SECONDS)


def _start(host: list[str], name: str, endpoint: str, *options: str, backend: str = "tcp") -> subprocess.Popen[str]:
    where = ["--backend", backend, "--endpoint", endpoint, "--run-id", "job", "--nodes", "2"]
    node = [sys.executable, "-m", "rdzv_core", "run", *where, *options, "--", sys.executable, "-c", WORKER]
    with_name = ["unshare", "--uts", "sh", "-c", 'hostname "$1"; shift; exec "$@"', "sh", name]
    return subprocess.Popen([*host, *with_name, *node], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _ends(nodes: list[subprocess.Popen[str]]) -> tuple[list[list[object]], str]:
    """Return what each node's command printed, by rank, and what all nodes said."""
    told, said = [], ""
    try:
        for node in nodes:
            out, err = node.communicate(timeout=SECONDS)
            said += err
            assert node.returncode == 0, err
            told.append(json.loads(out))
    finally:
        for node in nodes:
            node.kill()
            node.communicate()
    return sorted(told), said


@pytest.mark.cases
@pytest.mark.parametrize("name", ["localhost", "a-name-that-nobody-knows"])
@pytest.mark.parametrize("hosting", ["10.77.0.1:29400", "0.0.0.0:29400"])
def test_two_hosts_meet_at_an_address_that_both_reach(hosts: list[list[str]], name: str, hosting: str) -> None:
    """MASTER_ADDR is the address by which rank 0 reaches the store, whatever the hosts are called."""
    nodes = [_start(host, name, at) for host, at in zip(hosts, (hosting, "10.77.0.1:29400"), strict=True)]
    told, said = _ends(nodes)
    assert [0, 1] == [rank for rank, *_ in told]
    assert told[0][1:] == told[1][1:]
    assert told[0][1] in ADDRESSES
    assert "other nodes" not in said


@pytest.mark.cases
def test_two_hosts_called_localhost_meet_over_a_shared_directory(hosts: list[list[str]], tmp_path: Path) -> None:
    """No network leads to the store; a name that means each machine itself gives way to the outgoing address."""
    nodes = [_start(host, "localhost", str(tmp_path / "store"), backend="file") for host in hosts]
    assert _ends(nodes)[0][0][1] in ADDRESSES


@pytest.mark.cases
def test_a_loopback_address_beside_another_is_warned_of(hosts: list[list[str]]) -> None:
    """A node that reaches the store of its own machine by 127.0.0.1 cannot be reached there by the others."""
    server = subprocess.Popen(
        [*hosts[0], sys.executable, "-m", "rdzv_core", "serve", "--endpoint", "0.0.0.0:29400"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        server.stdout.readline()
        said = _ends([_start(hosts[0], "a", "127.0.0.1:29400"), _start(hosts[1], "b", "10.77.0.1:29400")])[1]
    finally:
        server.kill()
        server.communicate()
    (warning,) = (line for line in said.splitlines() if "--local-addr" in line)
    assert "(127.0.0.1): an address that only its own machine reaches, while other nodes of the round have" in warning


@pytest.mark.cases
@pytest.mark.parametrize("host", ["localhost", "0.0.0.0"])
def test_each_of_two_hosts_that_hosts_its_own_store_is_told_so(hosts: list[list[str]], host: str) -> None:
    """The same endpoint means another store on each machine: the timeout says which address to give instead."""
    nodes = [_start(each, "a", f"{host}:29400", "--option", "join_timeout=2") for each in hosts]
    for node, address in zip(nodes, ADDRESSES, strict=True):
        said = node.communicate(timeout=SECONDS)[1]
        assert "run 'job': only 1 of 2 nodes came within 2 s (join_timeout): " in said
        assert f"This node hosts its own store at {host}:29400" in said
        assert f"give all of them this host's address ({address}:29400)" in said
