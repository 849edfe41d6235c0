"""A real etcd cluster on one machine, whose members can be killed, paused and cut off."""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rdzv_core import RendezvousError
from rdzv_core.endpoint import HostPort
from rdzv_etcd._client.client import EtcdClient
from rdzv_etcd._client.gateway import Gateway
from rdzv_etcd._server.binary import find_binary
from rdzv_etcd._server.forwarders import HOST, Forwarder, ForwarderLoop
from rdzv_etcd._server.member import Member
from rdzv_etcd._server.process import free_ports

_ATTEMPTS = 3
_POLL_SECONDS = 0.05


class EtcdCluster:
    """Starts `size` etcds on free ports of localhost as one cluster, without TLS or users, for tests and chaos.

    Members are numbered from 0. Clients and peers reach each of them through TCP forwarders of this process, so that
    `cut` can take it off the network without root. Data directories are temporary, made in `directory`: `stop` removes
    them, at exit too. On Linux no member outlives this process, however it ends. `binary` is found as `EtcdServer`
    finds it; `flags` are more flags for every member. Not thread-safe; a context manager.
    """

    def __init__(
        self,
        size: int = 3,
        binary: str | os.PathLike[str] | None = None,
        flags: Sequence[str] = (),
        directory: str | os.PathLike[str] | None = None,
    ) -> None:
        if size < 1:
            raise ValueError(f"size={size!r}: a cluster has at least 1 member")
        self.size = size
        self._binary = binary
        self._flags = list(flags)
        self._parent = directory
        self._loop: ForwarderLoop | None = None
        self._directory: str | None = None
        self._members: list[Member] = []
        self._pid = 0

    def start(self, timeout: float = 60) -> None:
        """Start all members and wait until each serves.

        Raises `RendezvousError` if they do not serve within `timeout` seconds in total, if it runs already, or if no
        executable is found.
        """
        if self._loop is not None:
            raise RendezvousError(f"this EtcdCluster is running already, at {self.endpoints}: stop() it first")
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
                # Another process may have taken a port that was free: then etcd ends at once.
                again = isinstance(error, RendezvousError | OSError)
                if attempt == _ATTEMPTS or time.monotonic() > deadline or not again:
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
    def directory(self) -> str:
        """The directory of the members' data; `RendezvousError` if the cluster is not running."""
        if self._directory is None:
            raise RendezvousError("this EtcdCluster is not running: start() it first")
        return self._directory

    @property
    def endpoints(self) -> str:
        """The members' `host:port`, separated by commas, as `RendezvousParameters` takes an endpoint."""
        return ",".join(self.endpoint(member) for member in range(self.size))

    def endpoint(self, member: int) -> str:
        """Return one member's `host:port`."""
        return f"{HOST}:{self._member(member).client_forwarder.port}"

    def client(self, *members: int, timeout: float = 60) -> EtcdClient:
        """Return a client of these members, by default of all, as theirs reach them. It is closed by the caller."""
        ports = [self._member(member).client_forwarder.port for member in members or range(self.size)]
        return EtcdClient(Gateway([HostPort(HOST, port) for port in ports], None, None), timeout)

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
        """Cut a member off the network: nothing passes between it and its clients or peers, and nothing is closed."""
        self._set_cut(member, True)

    def heal(self, member: int) -> None:
        """Undo `cut`: what was held back passes now, as TCP would send it again."""
        self._set_cut(member, False)

    @contextlib.contextmanager
    def losing(self, member: int) -> Iterator[None]:
        """Hold back what passes on the connections that the others have made to a member, and break them at the end.

        On these it sends them its messages: so all that it sends the others within is lost, without an election
        where that takes less than a second, and clients reach it all the while.
        """
        struck = self._member(member)
        struck.losing = True
        self._look_again(struck.peer_forwarder)
        try:
            yield
        finally:
            self._running_loop().run(struck.peer_forwarder.break_all())
            struck.losing = False
            self._look_again(struck.peer_forwarder)

    def leader(self, timeout: float = 30) -> int:
        """Return the member that a majority takes for the leader, waiting up to `timeout` seconds for one.

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
        self._directory = tempfile.mkdtemp(prefix="rdzv-etcd-cluster-", dir=self._parent)
        token = secrets.token_hex(8)
        ports = free_ports(HOST, 2 * self.size)
        for number in range(self.size):
            name, data = f"rdzv-{token}-{number}", str(Path(self._directory) / str(number))
            member = Member(self._loop, name, data, ports[2 * number], ports[2 * number + 1], self._is_cut)
            self._members.append(member)
        peers = ",".join(f"{member.name}=http://{HOST}:{member.peer_forwarder.port}" for member in self._members)
        for member in self._members:
            member.command = [binary, *member.flags(peers), f"--initial-cluster-token={token}", *self._flags]
            member.begin()

    def _is_cut(self, member_id: str) -> bool:
        return any(member.cut and member.id == member_id for member in self._members)

    def _set_cut(self, number: int, cut: bool) -> None:
        self._member(number).cut = cut
        for member in self._members:
            self._look_again(member.client_forwarder, member.peer_forwarder)

    def _look_again(self, *forwarders: Forwarder) -> None:
        for forwarder in forwarders:
            self._running_loop().run(forwarder.look_again())

    def _running_loop(self) -> ForwarderLoop:
        if self._loop is None:
            raise RendezvousError("this EtcdCluster is not running: start() it first")
        return self._loop

    def _member(self, number: int) -> Member:
        self._running_loop()
        if not 0 <= number < self.size:
            raise ValueError(f"member={number!r}: the members are 0 to {self.size - 1}")
        return self._members[number]
