"""The command `rdzv serve`."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from rdzv_tcp import TcpBackend
from rdzv_tcp._server.info import installed_version

Open = Callable[..., TcpBackend]


def rdzv(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rdzv_core", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_serve_prints_its_address_and_ends_cleanly(
    serve: Callable[..., Any], open_backend: Open, number: signal.Signals
) -> None:
    """The address with the bound port is one line; the store works; a signal, which it names, ends it with status 0."""
    server = serve("localhost:0")
    host, _, port = server.endpoint.rpartition(":")
    assert (host, int(port) > 0) == ("localhost", True)
    backend = open_backend(server.endpoint)
    assert backend.set_state(b"x")
    assert server.end(number) == (0, "")
    assert server.last == f"{number.name.removeprefix('SIG')}: stopped serving at {server.endpoint}\n"


def test_serve_under_nohup_outlives_a_hang_up(open_backend: Open) -> None:
    """What is ignored at the start stays ignored; it serves on."""
    serve = [sys.executable, "-m", "rdzv_core", "serve", "--endpoint", "127.0.0.1:0"]
    with subprocess.Popen(
        ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *serve], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        endpoint = server.stdout.readline().strip()
        server.send_signal(signal.SIGHUP)
        assert open_backend(endpoint, is_host=False).set_state(b"x")
        server.terminate()
        assert server.wait(20) == 0


def test_serve_outlives_the_nodes(serve: Callable[..., Any], open_backend: Open) -> None:
    """What one node wrote is there for the next, after the first has closed."""
    endpoint = serve().endpoint
    first = open_backend(endpoint)
    first.set_state(b"x")
    seen = first.get_state()
    first.close()
    assert open_backend(endpoint).get_state() == seen


def test_serve_on_a_port_in_use_is_one_line(serve: Callable[..., Any]) -> None:
    """A port in use: one line that names it and the way out, status 1, no traceback."""
    endpoint = serve().endpoint
    ended = rdzv("serve", "--endpoint", endpoint)
    assert ended.returncode != 0
    assert endpoint in ended.stderr
    assert "in use" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize("endpoint", ["[::1", "localhost:99999", "localhost:x", "no-such-host.invalid:0"])
def test_serve_at_a_bad_endpoint_is_an_error_without_a_traceback(endpoint: str) -> None:
    """A bad endpoint is named in the error."""
    ended = rdzv("serve", "--endpoint", endpoint)
    assert ended.returncode != 0
    assert endpoint in ended.stderr
    assert "Traceback" not in ended.stderr


def test_serve_beyond_loopback_warns(serve: Callable[..., Any]) -> None:
    """Without authentication, listening for other machines is said aloud."""
    server = serve("0.0.0.0:0")
    status, errors = server.end(signal.SIGTERM)
    assert status == 0
    assert errors.startswith("warning: anybody who can reach 0.0.0.0:")
    assert "no authentication" in errors


def test_the_version_of_a_server_is_that_of_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not of the empty directory that an interrupted pip left behind."""
    (tmp_path / "rdzv_tcp-0.0.9.dist-info").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert version("rdzv-core") == installed_version.__wrapped__()
