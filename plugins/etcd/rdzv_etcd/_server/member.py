"""One member of an `EtcdCluster`: its process, and the forwarders in front of its ports."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from rdzv_core import RendezvousConnectionError, RendezvousError
from rdzv_core.endpoint import HostPort
from rdzv_etcd._client.client import EtcdClient
from rdzv_etcd._client.gateway import Gateway
from rdzv_etcd._server.forwarders import HOST, Forwarder, ForwarderLoop
from rdzv_etcd._server.process import EtcdProcess, member_flags

_POLL_SECONDS = 0.05
_KILL_SECONDS = 10.0


class Member:
    """A member: clients and peers reach it through a forwarder each, so that `cut` can silence both."""

    def __init__(
        self, loop: ForwarderLoop, name: str, data_dir: str, port: int, peer_port: int, is_cut: Callable[[str], bool]
    ) -> None:
        self.name, self._data_dir, self._port, self._peer_port = name, data_dir, port, peer_port
        self.id = ""
        self.cut = self.losing = self._paused = False
        self.command: list[str] = []
        self._loop = loop
        self._process: EtcdProcess | None = None
        self.client_forwarder: Forwarder = loop.forwarder(port, lambda _: self.cut)
        # What another member sends here is held back also when that member is cut off.
        self.peer_forwarder: Forwarder = loop.forwarder(
            peer_port, lambda sender: self.cut or self.losing or is_cut(sender)
        )

    @property
    def state(self) -> str:
        """What has been done to it, for `repr`."""
        if self._process is None:
            return "killed"
        states = [
            word for word, holds in (("paused", self._paused), ("cut", self.cut), ("losing", self.losing)) if holds
        ]
        return " and ".join(states) or f"pid {self._process.pid}"

    @property
    def reachable(self) -> bool:
        """Whether it should answer."""
        return self._process is not None and not (self._paused or self.cut or self.losing)

    def flags(self, cluster: str) -> list[str]:
        """Return its flags: it listens on its own ports and advertises those of the forwarders."""
        own = (self._port, self._peer_port)
        return member_flags(
            self.name, self._data_dir, HOST, own, (self.client_forwarder.port, self.peer_forwarder.port), cluster
        )

    def begin(self) -> None:
        """Start the process, and forward to it."""
        self._process = EtcdProcess(self.command[0], self.command[1:], None)
        for forwarder in (self.client_forwarder, self.peer_forwarder):
            self._loop.run(forwarder.open())

    def end(self) -> None:
        """Kill the process, if it runs, and refuse connections."""
        for forwarder in (self.client_forwarder, self.peer_forwarder):
            self._loop.run(forwarder.refuse())
        if self._process is not None:
            self._process.kill()
            self._process.stop(_KILL_SECONDS)
        self._process, self._paused = None, False

    def pause(self) -> None:
        """Stop the process, and wait until it has stopped."""
        pid = self._running().pid
        os.kill(pid, signal.SIGSTOP)
        os.waitpid(pid, os.WUNTRACED)  # the signal is sent before all threads have stopped
        self._paused = True

    def resume(self) -> None:
        """Let the process go on."""
        os.kill(self._running().pid, signal.SIGCONT)
        self._paused = False

    def leader_seen(self) -> str:
        """Return the id of the leader as this member sees it, "" if it sees none or does not answer."""
        if self._process is None or self._paused:
            return ""
        try:
            with self._client() as client:
                self.id, leader = client.status()
        except RendezvousConnectionError:
            return ""
        return leader

    def wait_ready(self, deadline: float) -> None:
        """Wait until it serves; raises `RendezvousError`."""
        process, failure = self._running(), "no answer"
        with self._client() as client:
            while time.monotonic() < deadline and not process.wait_end(_POLL_SECONDS):
                try:
                    if self.name not in client.member_names():
                        raise RendezvousError(
                            f"another etcd answers at port {self._port}, which was free a moment ago: try again"
                        )
                    client.read(b"rdzv")
                    self.id = client.status()[0]
                except RendezvousConnectionError as error:
                    failure = str(error)
                else:
                    return
        raise RendezvousError(f"{self.name} does not serve ({failure}); its last words: {process.last_words()}")

    def _client(self) -> EtcdClient:
        """Make a client that bypasses the forwarder."""
        return EtcdClient(Gateway([HostPort(HOST, self._port)], None, None), timeout=1)

    def _running(self) -> EtcdProcess:
        if self._process is None:
            raise RendezvousError(f"{self.name} is not running: restart() it first")
        return self._process
