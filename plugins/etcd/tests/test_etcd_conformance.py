"""The published suite, against a real etcd that is stopped, continued and started again on its data."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest
from rdzv_conformance import BackendConformance
from rdzv_etcd import EtcdServer


@pytest.mark.usefixtures("server")  # the suite asks for its fixtures late: this makes pytest see the versions
class TestEtcd(BackendConformance):
    """Every clause that etcd claims, on each version found."""

    backend = "etcd"

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, etcd_binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
        """An etcd that nobody else here uses."""
        with EtcdServer(data_dir=tmp_path_factory.mktemp("etcd"), binary=etcd_binary) as server:
            yield server

    @pytest.fixture
    def endpoint(self, server: EtcdServer) -> str:
        """Where it serves."""
        return server.get_endpoint()

    @pytest.fixture
    def restart(self, server: EtcdServer) -> Callable[[], None]:
        """Kill etcd and start it again on its data, at its endpoint."""

        def kill_and_start() -> None:
            os.kill(server.pid, signal.SIGKILL)
            server.stop()
            server.start()

        return kill_and_start

    @pytest.fixture
    def pause(self, server: EtcdServer) -> Callable[[], None]:
        """Let etcd answer nothing; from when this returns, not some time after."""

        def stop_and_see() -> None:
            os.kill(server.pid, signal.SIGSTOP)
            os.waitpid(server.pid, os.WUNTRACED)

        return stop_and_see

    @pytest.fixture
    def resume(self, server: EtcdServer) -> Callable[[], None]:
        """Let it answer again."""
        return lambda: os.kill(server.pid, signal.SIGCONT)
