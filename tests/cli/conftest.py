"""Nodes for the tests of `rdzv run`: real processes, whose lines can be waited for, and stores for them."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

FAST = {"keep_alive_interval": "0.4", "last_call_timeout": "1.5", "join_timeout": "45", "fence_delay": "0.5"}
DEADLINE = 60.0


class Node:
    """One `rdzv run`; its stderr is read as it comes."""

    def __init__(self, *arguments: str) -> None:
        self.lines: list[str] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rdzv_core", "run", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def says(self, text: str, count: int = 1) -> None:
        """Wait until `count` lines of stderr held `text`."""
        deadline = time.monotonic() + DEADLINE
        with self._news:
            while sum(text in line for line in self.lines) < count:
                assert self._reader.is_alive(), f"it ended without saying {text!r}: {self.lines}"
                left = deadline - time.monotonic()
                assert left > 0, f"not within {DEADLINE:g} s {text!r}: {self.lines}"
                self._news.wait(min(left, 0.5))

    def ends(self) -> tuple[int, str]:
        """Wait for its end; gives its exit status and what its command printed."""
        assert self.process.stdout is not None
        status = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return status, self.process.stdout.read()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(DEADLINE)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()


@pytest.fixture
def served() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Return an `rdzv serve` and its endpoint."""
    serve = [sys.executable, "-m", "rdzv_core", "serve", "--endpoint", "127.0.0.1:0"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server, server.stdout.readline().strip()
        server.kill()


# The launcher is the same on every store: the second one is for whoever has more time.
@pytest.fixture(params=[pytest.param("file", marks=pytest.mark.cases), "tcp"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Return a backend and an endpoint that outlives every node."""
    if request.param == "file":
        yield "file", str(tmp_path / "store")
        return
    yield "tcp", request.getfixturevalue("served")[1]


@pytest.fixture
def bare_node() -> Iterator[Callable[..., Node]]:
    """Start nodes with exactly the arguments given."""
    started: list[Node] = []

    def start(*arguments: str) -> Node:
        started.append(Node(*arguments))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def free_port() -> int:
    """Return a port of 127.0.0.1 that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def node(store: tuple[str, str], bare_node: Callable[..., Node]) -> Callable[..., Node]:
    """Start nodes on the store: `node(nodes, *command, run_id=…, flags=…, options…)`."""

    def start(nodes: str, *command: str, run_id: str = "job", flags: tuple[str, ...] = (), **options: str) -> Node:
        backend, endpoint = store
        given = [word for name, value in {**FAST, **options}.items() for word in ("--option", f"{name}={value}")]
        where = ["--backend", backend, "--endpoint", endpoint, "--run-id", run_id, "--nodes", nodes]
        return bare_node(*where, *given, *flags, "--", *command)

    return start


@pytest.fixture
def rdzv(store: tuple[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run another command on the store: `rdzv("status", run_id=…, *further)`."""

    def run(command: str, *further: str, run_id: str = "job") -> subprocess.CompletedProcess[str]:
        backend, endpoint = store
        where = ["--backend", backend, "--endpoint", endpoint, "--run-id", run_id]
        return subprocess.run(
            [sys.executable, "-m", "rdzv_core", command, *where, *further],
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE,
        )

    return run
