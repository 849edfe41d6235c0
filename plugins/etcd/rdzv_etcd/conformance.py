"""What the conformance suite may do to an etcd; found by an entry point, so `rdzv certify etcd` needs no test code."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rdzv_core import RendezvousConnectionError, RendezvousError, RendezvousParameters
from rdzv_etcd._client.client import EtcdClient
from rdzv_etcd._options import KEY_PREFIX, gateway_of
from rdzv_etcd._run_keys import REGISTERS
from rdzv_etcd._server.binary import find_binary
from rdzv_etcd._server.process import EtcdProcess, free_ports, standalone_flags
from rdzv_etcd._server.versions import ending_signal, may_differ_after_a_kill

HOST = "127.0.0.1"
START_SECONDS = 60.0
_ROOT = "root"
"""The user that etcd needs before it can authenticate any."""


def corrupt(params: RendezvousParameters) -> None:
    """Write into the register of `params` what the backend cannot have written."""
    with EtcdClient(gateway_of(params)) as client:
        client.put((KEY_PREFIX.of(params) + params.key).encode("utf-8"), b"not what the backend wrote")


@contextmanager
def truncated(params: RendezvousParameters) -> Iterator[None]:
    """Truncate the value of a register to 0 bytes, then write something else."""
    key = (KEY_PREFIX.of(params) + params.key).encode("utf-8")
    with EtcdClient(gateway_of(params)) as client:
        client.put(key, b"")
        yield
        client.put(key, b"not what the backend wrote")


def keys(params: RendezvousParameters) -> list[str]:
    """List the keys of registers below the key prefix; members' keys end with their leases."""
    with EtcdClient(gateway_of(params)) as client:
        found = client.keys(KEY_PREFIX.of(params).encode("utf-8") + REGISTERS)
        return [key.decode("utf-8", "replace") for key in found]


class OwnStore:
    """An etcd with TLS and authentication, in a process that the suite may kill.

    A version that loses writes when it is killed, whoever asks for them, is ended by SIGTERM instead: see `what`.
    """

    def __init__(self, sandbox: Any) -> None:
        ours, theirs = sandbox.authority("ours"), sandbox.authority("theirs")
        self._data_dir = sandbox.directory / "data"
        self._binary = find_binary()
        peer_port, port = free_ports(HOST, 2)
        self.endpoint: str = f"{HOST}:{port}"
        flags = standalone_flags("certify", str(self._data_dir), HOST, port, peer_port)
        self._flags = [flag.replace("http://", "https://") if "client-urls" in flag else flag for flag in flags]
        # The password is random: there is no point in making every login slow to make guessing slow.
        self._flags += [f"--cert-file={ours.cert}", f"--key-file={ours.key}", "--bcrypt-cost=4"]
        password = secrets.token_hex(16)
        self.options: dict[str, Any] = {"protocol": "https", "ca_cert": ours.ca, "user": _ROOT, "password": password}
        self.wrong_credentials: list[tuple[dict[str, Any], str]] = [
            ({"user": None, "password": None}, "asks for a user"),
            ({"password": secrets.token_hex(16)}, "the user or the password is wrong"),
            ({"user": "nobody"}, "the user or the password is wrong"),
        ]
        self.wrong_transport: list[tuple[dict[str, Any], str]] = [
            ({"protocol": "http", "ca_cert": None}, "give protocol='https'"),
            ({"ca_cert": theirs.ca}, "its certificate is not accepted"),
        ]
        self._start()

    @property
    def what(self) -> str:
        """What the suite has run on, and how that was ended where the suite kills it."""
        told = f"an etcd {self._version} with TLS, a user and a password"
        if ending_signal(self._version) is signal.SIGKILL:
            return told
        return f"{told}; ended by SIGTERM, since this version loses writes at a SIGKILL (etcd issue 14370)"

    def restart(self) -> None:
        """Kill etcd and start it again on its data."""
        self._end(ending_signal(self._version))
        self._start()

    def restart_without_data(self) -> None:
        """Kill etcd and start it again without its data."""
        self.end()
        shutil.rmtree(self._data_dir)
        self._start()

    def pause(self) -> None:
        """Stop etcd; it answers nothing from when this returns."""
        os.kill(self._process.pid, signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def resume(self) -> None:
        """Let it answer again."""
        os.kill(self._process.pid, signal.SIGCONT)

    def end(self) -> None:
        """Kill etcd at once, so that it cannot write anything more."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        os.kill(self._process.pid, number)
        self._process.stop(START_SECONDS)

    def _start(self) -> None:
        fresh = not self._data_dir.exists()
        self._process = EtcdProcess(self._binary, self._flags, subprocess.DEVNULL)
        try:
            if fresh:
                with self._when_it_answers({"user": None, "password": None}) as client:
                    client.enable_users(_ROOT, self.options["password"])
            with self._when_it_answers({}) as client:
                self._version = client.version()
        except BaseException:
            self.end()
            raise

    def _when_it_answers(self, options: dict[str, None]) -> EtcdClient:
        given = {name: value for name, value in {**self.options, **options}.items() if value is not None}
        client = EtcdClient(
            gateway_of(RendezvousParameters("etcd", self.endpoint, "certify", 1, 1, **given)), timeout=5
        )
        ends = time.monotonic() + START_SECONDS
        while True:
            try:
                client.read(b"rdzv")
            except RendezvousConnectionError as error:
                if time.monotonic() > ends or self._process.wait_end(0.05):
                    client.close()
                    raise RendezvousError(f"{self._binary} does not serve at {self.endpoint}: {error}") from error
            else:
                return client


@contextmanager
def own_store(sandbox: Any) -> Iterator[OwnStore]:
    """Start an etcd for the suite alone; `sandbox` is a `rdzv_conformance.Sandbox`."""
    store = OwnStore(sandbox)
    try:
        yield store
    finally:
        store.end()


class OwnCluster:
    """Three etcds behind a process that strikes them: see `StruckCluster` for what each method does."""

    options: dict[str, str] = {}  # noqa: RUF012 - read only

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.endpoint, _, self._version = self._hear().partition(" ")
        if not self.endpoint:
            raise RendezvousError("the cluster of 3 etcds did not start: see the error above")

    @property
    def what(self) -> str:
        """What the suite has run on, and what is done to it."""
        lost = "another one lost in each test: the leader by SIGKILL or SIGSTOP, or a follower cut off"
        told = f"3 etcds {self._version}, {lost}"
        if not may_differ_after_a_kill(self._version):
            return told
        return f"{told}; a member of this version that is killed may lose data (etcd issue 13766)"

    def before_test(self) -> None:
        """Heal the member struck last, and strike another."""
        self._do("before_test")

    def pause(self) -> None:
        """Stop all members."""
        self._do("pause")

    def resume(self) -> None:
        """Let them go on."""
        self._do("resume")

    def restart(self) -> None:
        """Kill all members at once, and start them on their data."""
        self._do("restart")

    def _do(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        if error := self._hear():
            raise RendezvousError(f"the suite's cluster: {error}")

    def _hear(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")


@contextmanager
def own_cluster(sandbox: Any) -> Iterator[OwnCluster]:
    """Start three etcds for the suite alone, one of which is struck before each test."""
    command = [sys.executable, "-m", "rdzv_etcd._struck_cluster", str(sandbox.directory)]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield OwnCluster(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(START_SECONDS)
