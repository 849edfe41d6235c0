"""`rdzv serve --metrics`: what a server holds, as Prometheus reads it."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rdzv_tcp import TcpBackend
from rdzv_tcp._net.settings import Settings
from rdzv_tcp._server.metrics import ServerMetrics, serving_metrics
from rdzv_tcp._server.server import TcpServer

from rdzv_core.endpoint import HostPort

Open = Callable[..., TcpBackend]


def _read(where: object) -> dict[str, float]:
    with urllib.request.urlopen(f"http://{where}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    return {sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples}


def test_the_metrics_say_what_the_server_holds(serve: Callable[..., Any], open_backend: Open, free_port: int) -> None:
    """A register, a member, a client; and the process's own memory beside them."""
    where = f"127.0.0.1:{free_port}"
    server = serve("127.0.0.1:0", "--metrics", where)
    before = _read(where)
    assert {name: before[name] for name in ("rdzv_tcp_up", "rdzv_tcp_registers", "rdzv_tcp_members")} == {
        "rdzv_tcp_up": 1,
        "rdzv_tcp_registers": 0,
        "rdzv_tcp_members": 0,
    }
    backend = open_backend(server.endpoint, is_host=False)
    backend.set_state(b"x")
    lease = backend.enter(b"me", 30.0)
    after = _read(where)
    expected = {"connections": 1, "registers": 1, "members": 1, "runs": 1, "durable": 0, "guarded": 0}
    assert {name: after[f"rdzv_tcp_{name}"] for name in expected} == expected
    assert after["rdzv_tcp_uptime_seconds"] > before["rdzv_tcp_uptime_seconds"]
    backend.leave(lease)
    assert _read(where)["rdzv_tcp_members"] == 0
    status, said = server.end(15)
    assert (status, said) == (0, f"rdzv: metrics at http://{where}/metrics\n")


def test_a_server_that_does_not_answer_is_down() -> None:
    """One that has not begun to serve: `up` is 0, and nothing else is claimed."""
    server = TcpServer(HostPort("127.0.0.1", 0), Settings())
    try:
        (up,) = ServerMetrics(server).collect()
        assert (up.name, up.samples[0].value) == ("rdzv_tcp_up", 0)
    finally:
        server.stop()


def test_metrics_end_with_the_server() -> None:
    """Nobody listens at the address any more."""
    with TcpServer(HostPort("127.0.0.1", 0), Settings()).start() as server:
        with serving_metrics(server, "127.0.0.1:0") as where:
            assert _read(where)["rdzv_tcp_up"] == 1
        with socket.create_server((where.host, where.port)):
            pass


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("http://here", 2, "leave out 'http://'"),
        ("127.0.0.1:70000", 2, "the port must be a number from 0 to 65535, not '70000'"),
        ("{taken}", 1, "cannot serve metrics at '{taken}': Address already in use; give an address of this machine"),
    ],
)
def test_a_bad_address_ends_the_server_at_once(address: str, status: int, said: str) -> None:
    """It does not serve without the metrics that were asked for."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        command = ["serve", "--endpoint", "127.0.0.1:0", "--metrics", address.format(taken=where)]
        done = subprocess.run(
            [sys.executable, "-m", "rdzv_core", *command], capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == status
    assert said.format(taken=where) in done.stderr
    assert done.stdout == ""
