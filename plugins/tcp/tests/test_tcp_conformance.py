"""The published suite, against a store in another process and against one that a process of the suite hosts."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rdzv_conformance import BackendConformance


class Served:
    """A server at one endpoint: stopped, continued, and killed and started again."""

    def __init__(self, serve: Callable[..., Any]) -> None:
        self._serve, self._server = serve, serve()
        self.endpoint: str = self._server.endpoint

    def restart(self) -> None:
        """Kill the server and start another at its endpoint."""
        self._server.end(signal.SIGKILL)
        self._server = self._serve(self.endpoint)

    def pause(self) -> None:
        """Let the server answer nothing."""
        self._server.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it answer again."""
        self._server.send(signal.SIGCONT)


@pytest.fixture
def backend() -> str:
    """The name of the backend under test; the other tests here have an instance by this name."""
    return "tcp"


@pytest.fixture(scope="module")
def served(serve_module: Callable[..., Any]) -> Served:
    """A server for this module's tests."""
    return Served(serve_module)


@pytest.fixture(scope="module")
def embedded_endpoint(free_ports: Iterator[int]) -> str:
    """An endpoint that anybody here can bind."""
    return f"localhost:{next(free_ports)}"


class TestTcp(BackendConformance):
    """Every clause that tcp claims, on a server that is stopped, continued and restarted."""

    @pytest.fixture
    def endpoint(self, served: Served) -> str:
        """Where it serves."""
        return served.endpoint

    @pytest.fixture
    def restart(self, served: Served) -> Callable[[], None]:
        """Kill the server and start another at its endpoint."""
        return served.restart

    @pytest.fixture
    def pause(self, served: Served) -> Callable[[], None]:
        """Let the server answer nothing."""
        return served.pause

    @pytest.fixture
    def resume(self, served: Served) -> Callable[[], None]:
        """Let the server answer again."""
        return served.resume


class TestTcpEmbedded(BackendConformance):
    """The same for a store that a process of the suite hosts itself, whoever comes first."""

    @pytest.fixture
    def endpoint(self, embedded_endpoint: str) -> str:
        """Where whoever comes first hosts."""
        return embedded_endpoint
