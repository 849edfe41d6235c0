"""The behaviours A1 to A8 on a real server: seen by its host, by a client, and by a client of `rdzv serve`."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from typing import Any

import pytest
from rdzv_conformance import RendezvousBackendTestMixin
from rdzv_tcp.conformance import corrupt

from rdzv_core import RendezvousBackend, RendezvousParameters, create_backend


def _params(endpoint: str, **config: Any) -> RendezvousParameters:
    return RendezvousParameters("tcp", endpoint, "mixin", 1, 1, **config)


def _create(endpoint: str, **config: Any) -> RendezvousBackend:
    return create_backend(_params(endpoint, **config))


class TestTcpHost(RendezvousBackendTestMixin, unittest.TestCase):
    """A1 to A8 for the process that hosts the store."""

    def setUp(self) -> None:
        self._backend = _create("127.0.0.1:0", is_host=True)
        self.addCleanup(self._backend.close)

    def _corrupt_state(self) -> None:
        corrupt(_params(self._backend.endpoint), b"no envelope")


class TestTcpClient(unittest.TestCase, RendezvousBackendTestMixin):
    """A1 to A8 for a client, the store corrupted through a connection of its own."""

    def setUp(self) -> None:
        host = _create("127.0.0.1:0", is_host=True)
        self.addCleanup(host.close)
        self._backend = _create(host.endpoint, is_host=False)
        self.addCleanup(self._backend.close)

    def _corrupt_state(self) -> None:
        corrupt(_params(self._backend.endpoint), b"rdzv1 torn")


class TestTcpServed(RendezvousBackendTestMixin):
    """A1 to A8 for a client of a store in another process."""

    @pytest.fixture(autouse=True)
    def _served(self, serve: Callable[..., Any], open_backend: Callable[..., RendezvousBackend]) -> None:
        self._backend = open_backend(serve(corruptible=True).endpoint, run_id="mixin", is_host=False)

    def _corrupt_state(self) -> None:
        corrupt(_params(self._backend.endpoint), b"")
