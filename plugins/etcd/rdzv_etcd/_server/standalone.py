"""A real etcd for one machine: for tests, examples, and jobs that need no cluster."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from rdzv_core import RendezvousConnectionError, RendezvousError
from rdzv_core.endpoint import HostPort
from rdzv_etcd._client.client import EtcdClient
from rdzv_etcd._client.errors import RefusedError
from rdzv_etcd._client.gateway import Gateway
from rdzv_etcd._server.binary import find_binary
from rdzv_etcd._server.process import EtcdProcess, free_ports, standalone_flags

HOST = "127.0.0.1"
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.02


class EtcdServer:
    """Starts a standalone etcd on free ports of localhost, without TLS or users, and stops it again.

    `data_dir` is kept; without one a temporary directory is used, which `stop` removes. `binary` is the etcd to run,
    by default the one that `find_binary` finds; `flags` are more flags for it. Started again after `stop`, it keeps its
    port if that is still free, so that connected clients go on. It is stopped when the interpreter exits, and on Linux
    when the process is killed (the temporary directory is left then). Not thread-safe; a context manager.
    """

    def __init__(
        self,
        data_dir: str | os.PathLike[str] | None = None,
        binary: str | os.PathLike[str] | None = None,
        flags: Sequence[str] = (),
    ) -> None:
        self._given_data_dir = data_dir
        self._flags = list(flags)
        self._binary = binary
        self._temp_dir: str | None = None
        self._process: EtcdProcess | None = None
        self._client: EtcdClient | None = None
        self._port = 0
        self._pid = 0
        # The etcd that answers shows its name: another one that took the port meanwhile is not mistaken for ours.
        self._name = f"rdzv-{secrets.token_hex(8)}"

    def start(self, timeout: float = 60, num_retries: int = 3, stderr: int | IO[Any] | None = None) -> None:
        """Start etcd and wait until it serves.

        Tries `num_retries` times, on other ports each time, for up to `timeout` seconds each. `stderr` receives etcd's
        output (a file or `subprocess.DEVNULL`); without it, the end of the output is part of the error. Raises
        `RendezvousError` if it does not start, is started already, or no executable is found.
        """
        if self._process is not None:
            raise RendezvousError(f"this EtcdServer is running already, at {self.get_endpoint()}: stop() it first")
        binary = find_binary(self._binary)
        data_dir = self._make_data_dir()
        atexit.register(self.stop)
        self._pid = os.getpid()
        failure = "num_retries must be at least 1"
        for _ in range(num_retries):
            try:
                self._start_once(binary, data_dir, timeout, stderr)
            except RendezvousError as error:
                failure = str(error)
                self._port = 0
            except BaseException:
                self.stop()
                raise
            else:
                return
        self.stop()
        raise RendezvousError(f"{binary} did not start in {num_retries} attempts of {timeout:g} s: {failure}")

    def stop(self) -> None:
        """Stop etcd, wait for its end, and remove the temporary directory. Idempotent; nothing in a forked child."""
        if self._pid not in (0, os.getpid()):
            return
        atexit.unregister(self.stop)
        if self._client is not None:
            self._client.close()
        if self._process is not None:
            self._process.stop(_STOP_SECONDS)
        self._client = self._process = None
        if self._temp_dir is not None:
            shutil.rmtree(self._temp_dir, ignore_errors=True)
        self._temp_dir = None

    def get_host(self) -> str:
        """Return the address that etcd listens on."""
        return HOST

    def get_port(self) -> int:
        """Return the port that clients connect to; `RendezvousError` before the first start."""
        if self._port == 0:
            raise RendezvousError("this EtcdServer has no port yet: start() it first")
        return self._port

    def get_endpoint(self) -> str:
        """Return `host:port`, as `RendezvousParameters` takes it."""
        return f"{self.get_host()}:{self.get_port()}"

    def get_client(self) -> EtcdClient:
        """Return a client of this etcd, the same one every time; `stop` closes it."""
        if self._client is None or self._client.closed:
            self._client = EtcdClient(Gateway([HostPort(HOST, self.get_port())], None, None))
        return self._client

    @property
    def pid(self) -> int:
        """The process id of etcd; `RendezvousError` if it is not running."""
        if self._process is None:
            raise RendezvousError("this EtcdServer is not running: start() it first")
        return self._process.pid

    def __enter__(self) -> EtcdServer:
        if self._process is None:
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "stopped" if self._process is None else f"pid {self._process.pid} at {self.get_endpoint()}"
        return f"<EtcdServer {state}>"

    def _start_once(self, binary: str, data_dir: str, timeout: float, stderr: int | IO[Any] | None) -> None:
        peer_port, port = free_ports(HOST, 2)
        self._port = self._port or port
        flags = standalone_flags(self._name, data_dir, HOST, self._port, peer_port)
        process = EtcdProcess(binary, [*flags, *self._flags], stderr)
        try:
            self._wait_ready(process, time.monotonic() + timeout)
        except BaseException:
            process.stop(_STOP_SECONDS)
            raise
        self._process = process

    def _wait_ready(self, process: EtcdProcess, deadline: float) -> None:
        reason = "no answer"
        with EtcdClient(Gateway([HostPort(HOST, self._port)], None, None), timeout=1) as client:
            while time.monotonic() < deadline:
                try:
                    if self._name in client.member_names() and client.read(b"rdzv").revision > 0:
                        return
                    reason = "another etcd answers at its port"
                except RendezvousConnectionError as error:
                    if isinstance(error.__cause__, RefusedError) and error.__cause__.login_is_stale:
                        return  # it serves; that it asks for a user comes from the data directory
                    reason = str(error)
                if process.wait_end(_POLL_SECONDS):
                    raise RendezvousError(f"it ended; its last words: {process.last_words()}")
        raise RendezvousError(f"it does not serve ({reason}); its last words: {process.last_words()}")

    def _make_data_dir(self) -> str:
        if self._given_data_dir is not None:
            Path(self._given_data_dir).mkdir(parents=True, exist_ok=True)
            return str(self._given_data_dir)
        self._temp_dir = tempfile.mkdtemp(prefix="rdzv-etcd-")
        return self._temp_dir
