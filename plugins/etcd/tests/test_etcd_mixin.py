"""The behaviours of every backend (A1 to A8), against a real etcd (C6)."""

from __future__ import annotations

import itertools
from typing import ClassVar

import pytest
from rdzv_conformance import RendezvousBackendTestMixin
from rdzv_etcd import EtcdServer, create_backend

from rdzv_core import RendezvousParameters

_runs = itertools.count(1)


class TestC6EtcdBackend(RendezvousBackendTestMixin):
    """C6: all of A against a real etcd."""

    _server: ClassVar[EtcdServer]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _etcd(cls, etcd: EtcdServer) -> None:
        cls._server = etcd

    def setUp(self) -> None:
        params = RendezvousParameters("etcd", self._server.get_endpoint(), f"mixin-{next(_runs)}", 1, 2)
        self._backend = create_backend(params)
        self._key = f"/rdzv/{params.key}".encode()

    def tearDown(self) -> None:
        self._backend.close()

    def _corrupt_state(self) -> None:
        self._server.get_client().put(self._key, b"corrupt_state")
