"""A real cluster of etcds of one's own, on one machine, whose members can be killed, stopped and cut off."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from rdzv_core import RendezvousConnectionError, RendezvousError
from rdzv_core.endpoint import HostPort
from rdzv_etcd._binary import find_binary
from rdzv_etcd._client import EtcdClient
from rdzv_etcd._forwarders import HOST, Forwarder, ForwarderLoop
from rdzv_etcd._gateway import Gateway
from rdzv_etcd._process import EtcdProcess, free_ports, member_flags

_ATTEMPTS = 3
_POLL_SECONDS = 0.05
_KILL_SECONDS = 10.0


class EtcdCluster:
    """Starts a cluster of `size` etcds on free ports of localhost, without TLS or users, for tests and chaos.

    Members are numbered from 0. Clients and peers reach each of them through TCP forwarders of this process, so that
    `cut` can take it off the network without root. Data directories are temporary: `stop` removes them, at exit too.
    On Linux no member outlives this process, however that ends. `binary` is found as `EtcdServer` finds it; `flags`
    are more flags for every member. Not thread-safe; a context manager.
    """

    def __init__(self, size: int = 3, binary: str | os.PathLike[str] | None = None, flags: Sequence[str] = ()) -> None:
        if size < 1:
            raise ValueError(f"size={size!r}: a cluster has at least 1 member")
        self.size = size
        self._binary = binary
        self._flags = list(flags)
        self._loop: ForwarderLoop | None = None
        self._directory: str | None = None
        self._members: list[_Member] = []
        self._pid = 0

    def start(self, timeout: float = 60) -> None:
        """Start all members and wait until each serves.

        Raises `RendezvousError` if they do not serve within `timeout` seconds in total, if it runs already, or if no
        executable is found.
        """
        if self._loop is not None:
            raise RendezvousError(f"this EtcdCluster runs already, at {self.endpoints}: stop() it first")
        binary = find_binary(self._binary)
        deadline = time.monotonic() + timeout
        atexit.register(self.stop)
        self._pid = os.getpid()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._start_once(binary)
                self.wait_ready(max(1.0, deadline - time.monotonic()))
            except BaseException as error:
                self.stop()
                # Somebody may have taken a port that was free: that ends a member at once.
                if attempt == _ATTEMPTS or time.monotonic() > deadline or not isinstance(error, RendezvousError):
                    raise
            else:
                return

    def stop(self) -> None:
        """Kill all members and remove their data. Idempotent; nothing in a forked child."""
        if self._pid not in (0, os.getpid()):
            return
        atexit.unregister(self.stop)
        for member in self._members:
            member.end()
        if self._loop is not None:
            self._loop.close()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
        self._loop, self._directory, self._members = None, None, []

    @property
    def endpoints(self) -> str:
        """The members' `host:port`, separated by commas, as `RendezvousParameters` takes an endpoint."""
        return ",".join(self.endpoint(member) for member in range(self.size))

    def endpoint(self, member: int) -> str:
        """Return one member's `host:port`."""
        return f"{HOST}:{self._member(member).client_way.port}"

    def kill(self, member: int) -> None:
        """Kill a member (SIGKILL); its ports refuse connections from then on. `restart` starts it on its data."""
        self._member(member).end()

    def restart(self, member: int) -> None:
        """Start a member on its data, after killing it if it runs. Does not wait: see `wait_ready` and `leader`."""
        self._member(member).end()
        self._member(member).begin()

    def pause(self, member: int) -> None:
        """Stop a member (SIGSTOP): connections are taken and nothing is answered, from when this returns."""
        self._member(member).pause()

    def resume(self, member: int) -> None:
        """Let a paused member go on (SIGCONT)."""
        self._member(member).resume()

    def cut(self, member: int) -> None:
        """Take a member off the network: nothing passes between it and its clients or peers, and nothing is closed."""
        self._set_cut(member, True)

    def heal(self, member: int) -> None:
        """Undo `cut`: what was held back passes now, as TCP would send it again."""
        self._set_cut(member, False)

    def leader(self, timeout: float = 30) -> int:
        """Return the member that most members take for the leader, waiting for one for `timeout` seconds.

        Raises `RendezvousError` if there is none by then.
        """
        deadline = time.monotonic() + timeout
        while True:
            votes = Counter(vote for member in self._members if (vote := member.leader_seen()))
            for leader, count in votes.most_common(1):
                numbers = [number for number, member in enumerate(self._members) if member.id == leader]
                if numbers and count > self.size // 2:
                    return numbers[0]
            if time.monotonic() > deadline:
                raise RendezvousError(f"{self!r} has no leader after {timeout:g} s: a majority must run, uncut")
            time.sleep(_POLL_SECONDS)

    def wait_ready(self, timeout: float = 60) -> None:
        """Wait until every member that runs answers a linearizable read; raises `RendezvousError` after `timeout` s.

        Members that are paused or cut off are not waited for.
        """
        deadline = time.monotonic() + timeout
        for member in self._members:
            if member.reachable:
                member.wait_ready(deadline)

    def __enter__(self) -> EtcdCluster:
        if self._loop is None:
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        states = ", ".join(f"{number}: {member.state}" for number, member in enumerate(self._members))
        return f"<EtcdCluster {states or 'stopped'}>"

    def _start_once(self, binary: str) -> None:
        self._loop = ForwarderLoop()
        self._directory = tempfile.mkdtemp(prefix="rdzv-etcd-cluster-")
        token = secrets.token_hex(8)
        ports = free_ports(HOST, 2 * self.size)
        for number in range(self.size):
            name, data = f"rdzv-{token}-{number}", str(Path(self._directory) / str(number))
            member = _Member(self._loop, name, data, ports[2 * number], ports[2 * number + 1], self._is_cut)
            self._members.append(member)
        peers = ",".join(f"{member.name}=http://{HOST}:{member.peer_way.port}" for member in self._members)
        for member in self._members:
            member.command = [binary, *member.flags(peers), f"--initial-cluster-token={token}", *self._flags]
            member.begin()

    def _is_cut(self, member_id: str) -> bool:
        return any(member.cut and member.id == member_id for member in self._members)

    def _set_cut(self, number: int, cut: bool) -> None:
        assert self._loop is not None
        self._member(number).cut = cut
        for member in self._members:
            for way in (member.client_way, member.peer_way):
                self._loop.run(way.look_again())

    def _member(self, number: int) -> _Member:
        if not self._members:
            raise RendezvousError("this EtcdCluster does not run: start() it first")
        if not 0 <= number < self.size:
            raise ValueError(f"member={number!r}: the members are 0 to {self.size - 1}")
        return self._members[number]


class _Member:
    """One member: its process, its ports, and the ways that lead there."""

    def __init__(
        self, loop: ForwarderLoop, name: str, data_dir: str, port: int, peer_port: int, is_cut: Callable[[str], bool]
    ) -> None:
        self.name, self._data_dir, self._port, self._peer_port = name, data_dir, port, peer_port
        self.id = ""
        self.cut = self._paused = False
        self.command: list[str] = []
        self._loop = loop
        self._process: EtcdProcess | None = None
        self.client_way: Forwarder = loop.forwarder(port, lambda _: self.cut)
        # What another member sends here is silent also when that one is cut off.
        self.peer_way: Forwarder = loop.forwarder(peer_port, lambda sender: self.cut or is_cut(sender))

    @property
    def state(self) -> str:
        """What has been done to it."""
        if self._process is None:
            return "killed"
        states = [word for word, holds in (("paused", self._paused), ("cut", self.cut)) if holds]
        return " and ".join(states) or f"pid {self._process.pid}"

    @property
    def reachable(self) -> bool:
        """Whether it should answer."""
        return self._process is not None and not self._paused and not self.cut

    def flags(self, cluster: str) -> list[str]:
        """Return its flags: it listens on its own ports and advertises those of the forwarders."""
        own = (self._port, self._peer_port)
        return member_flags(self.name, self._data_dir, HOST, own, (self.client_way.port, self.peer_way.port), cluster)

    def begin(self) -> None:
        """Start the process, and forward to it."""
        self._process = EtcdProcess(self.command[0], self.command[1:], None)
        for way in (self.client_way, self.peer_way):
            self._loop.run(way.open())

    def end(self) -> None:
        """Kill the process, if it runs, and refuse connections."""
        for way in (self.client_way, self.peer_way):
            self._loop.run(way.refuse())
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
                        raise RendezvousError(f"another etcd answers at port {self._port}, which was free: try again")
                    client.read(b"rdzv")
                    self.id = client.status()[0]
                except RendezvousConnectionError as error:
                    failure = str(error)
                else:
                    return
        raise RendezvousError(f"{self.name} does not serve ({failure}); its last words: {process.last_words()}")

    def _client(self) -> EtcdClient:
        """Make a client that goes past the forwarder."""
        return EtcdClient(Gateway([HostPort(HOST, self._port)], None, None), timeout=1)

    def _running(self) -> EtcdProcess:
        if self._process is None:
            raise RendezvousError(f"{self.name} does not run: restart() it first")
        return self._process
