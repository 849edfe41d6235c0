"""The published suite, against real etcds that are stopped, continued and started again on their data."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rdzv_conformance import BackendConformance, Sandbox
from rdzv_etcd import EtcdServer
from rdzv_etcd._server.versions import ending_signal
from rdzv_etcd.conformance import OwnStore, own_store


@pytest.mark.cases  # the class below asks the same of an etcd that asks for a user
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
            os.kill(server.pid, ending_signal(server.get_client().version()))
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


class TestEtcdSecure(BackendConformance):
    """Every clause, `secure` among them, on an etcd that speaks TLS and asks for a user and the password.

    It is the etcd that `rdzv certify etcd` starts; of the versions found, the one that is started by default.
    """

    backend = "etcd"

    @pytest.fixture(scope="class")
    @classmethod
    def guarded(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnStore]:
        """An etcd that nobody else here uses."""
        with own_store(Sandbox(tmp_path_factory.mktemp("guarded"))) as store:
            yield store

    @pytest.fixture
    def endpoint(self, guarded: OwnStore) -> str:
        """Where it serves."""
        return guarded.endpoint

    @pytest.fixture
    def options(self, guarded: OwnStore) -> dict[str, Any]:
        """What a node needs to get in."""
        return guarded.options

    @pytest.fixture
    def wrong_credentials(self, guarded: OwnStore) -> list[tuple[dict[str, Any], str]]:
        """No user, another user, another password."""
        return guarded.wrong_credentials

    @pytest.fixture
    def wrong_transport(self, guarded: OwnStore) -> list[tuple[dict[str, Any], str]]:
        """Plain text, and another authority."""
        return guarded.wrong_transport

    @pytest.fixture
    def restart(self, guarded: OwnStore) -> Callable[[], None]:
        """Kill etcd and start it again on its data."""
        return guarded.restart

    @pytest.fixture
    def restart_without_data(self, guarded: OwnStore) -> Callable[[], None]:
        """Kill etcd and start it again without its data."""
        return guarded.restart_without_data

    @pytest.fixture
    def pause(self, guarded: OwnStore) -> Callable[[], None]:
        """Let etcd answer nothing."""
        return guarded.pause

    @pytest.fixture
    def resume(self, guarded: OwnStore) -> Callable[[], None]:
        """Let it answer again."""
        return guarded.resume
