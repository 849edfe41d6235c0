"""One etcd process: its flags and its life, which ends with the process that started it at the latest."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from typing import IO, Any

from rdzv_core import RendezvousError

# Runs between fork and exec of etcd, in a Python of its own, since running Python code in the forked child is not safe
# beside threads. 1 is PR_SET_PDEATHSIG, 9 SIGKILL. A parent that was dead before the prctl is seen by its pid.
_DIE_WITH_PARENT = (
    "import ctypes, os, sys\n"
    "ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)\n"
    "os.getppid() == int(sys.argv[1]) or sys.exit('the starter of this etcd is gone')\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)
_SHOWN_BYTES = 1500


def free_ports(host: str, count: int) -> list[int]:
    """Return `count` ports of `host` that are free now; another process may take one at any time."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for sock in sockets:
            sock.bind((host, 0))
        return [int(sock.getsockname()[1]) for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


def standalone_flags(name: str, data_dir: str, host: str, client_port: int, peer_port: int) -> list[str]:
    """Return the flags of a standalone etcd."""
    ports = (client_port, peer_port)
    return member_flags(name, data_dir, host, ports, ports, f"{name}=http://{host}:{peer_port}")


def member_flags(
    name: str, data_dir: str, host: str, listen: tuple[int, int], advertise: tuple[int, int], cluster: str
) -> list[str]:
    """Return the flags of a member of `cluster`, flags that etcd 3.4 to 3.6 all know; ports are (client, peer)."""
    flags = {
        "name": name,
        "data-dir": data_dir,
        "listen-client-urls": f"http://{host}:{listen[0]}",
        "advertise-client-urls": f"http://{host}:{advertise[0]}",
        "listen-peer-urls": f"http://{host}:{listen[1]}",
        "initial-advertise-peer-urls": f"http://{host}:{advertise[1]}",
        "initial-cluster": cluster,
    }
    return [f"--{flag}={value}" for flag, value in flags.items()]


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what would configure etcd besides its flags."""
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith("ETCD_") or name == "ETCD_UNSUPPORTED_ARCH"
    }


class EtcdProcess:
    """A running etcd.

    A thread starts it and lives as long as it does: Linux ties a parent-death signal to the thread that forked, so a
    start from a short-lived thread would end etcd with that thread.
    """

    def __init__(self, binary: str, flags: list[str], stderr: int | IO[Any] | None) -> None:
        self._command = [binary, *flags]
        self._log = tempfile.TemporaryFile() if stderr is None else None  # noqa: SIM115 - closed by `stop`
        self._stderr = self._log if stderr is None else stderr
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: OSError | None = None
        self._started = threading.Event()
        self._ended = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="rdzv-etcd-keeper", daemon=True)
        self._keeper.start()
        self._started.wait()
        if self._failure is not None:
            self._keeper.join()
            self._close_log()
            raise RendezvousError(f"{binary} cannot be run: {self._failure}") from self._failure

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    def wait_end(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for etcd to end; True if it has ended."""
        return self._ended.wait(timeout)

    def stop(self, timeout: float) -> None:
        """Terminate it, and kill it if it is still running after `timeout` seconds."""
        if not self._ended.is_set():
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)  # it may have been stopped
            if not self._ended.wait(timeout):
                self._signal(signal.SIGKILL)
        self._keeper.join()
        self._close_log()

    def kill(self) -> None:
        """Kill it at once, so that it cannot write anything more."""
        if not self._ended.is_set():
            self._signal(signal.SIGKILL)

    def last_words(self) -> str:
        """Return the end of its output, as far as it was kept."""
        if self._log is None:
            return "see where stderr was sent"
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _SHOWN_BYTES))
        return self._log.read().decode("utf-8", "replace").strip() or "it wrote nothing"

    def _keep(self) -> None:
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the executable is the one that was asked for
                self._dying_with_parent(),
                env=clean_environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=self._stderr,
                stderr=self._stderr,
                start_new_session=True,  # Ctrl-C is for the job, which then stops etcd itself
            )
        except OSError as error:
            self._failure = error
            return
        finally:
            self._started.set()
        self._process.wait()
        self._ended.set()

    def _dying_with_parent(self) -> list[str]:
        if sys.platform != "linux" or not sys.executable:
            return self._command
        return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *self._command]

    def _signal(self, number: int) -> None:
        assert self._process is not None
        try:
            self._process.send_signal(number)
        except ProcessLookupError:
            pass  # it ended just now

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
