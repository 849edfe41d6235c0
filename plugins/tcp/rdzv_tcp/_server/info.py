"""What a server tells of itself: in its welcome, and when its health is asked for."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sized
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from rdzv_tcp._net.settings import Settings
from rdzv_tcp._protocol import PROTOCOL, HealthReport, Welcome
from rdzv_tcp._state.state import State


class ServerInfo:
    """The server's process, its uptime, and how much it holds."""

    def __init__(self, settings: Settings, state: State, directory: Path | None, connections: Sized) -> None:
        self._settings = settings
        self._state = state
        self._directory = directory
        self._connections = connections
        self._started = time.monotonic()
        self._server = f"process {os.getpid()} on {socket.gethostname()}"

    def welcome(self, proof: bytes) -> Welcome:
        """Return the welcome of a client that may use this server."""
        durable, guarded = self._directory is not None, not self._settings.open_to_all
        return Welcome(PROTOCOL, self._state.table.incarnation, self._server, proof, durable, guarded)

    def health(self) -> HealthReport:
        """Return the server's health."""
        table, _, members = self._state
        return HealthReport(
            server=self._server,
            uptime=time.monotonic() - self._started,
            connections=len(self._connections),
            registers=len(table),
            version=installed_version(),
            data_dir="" if self._directory is None else str(self._directory),
            runs=members.runs,
            members=len(members),
            memory=_resident_bytes(),
            durable=self._directory is not None,
            guarded=not self._settings.open_to_all,
            incarnation=table.incarnation,
        )


@cache
def installed_version() -> str:
    """Return the version of this distribution."""
    # One without metadata is what an interrupted pip left behind; there is none at all in a source tree.
    found = (each for each in distributions(name="rdzv-tcp") if each.read_text("METADATA"))
    return next((each.version for each in found), "not installed")


def _resident_bytes() -> int:
    """Return the resident memory of this process; 0 where the system tells only the peak.

    Read by hand: getrusage knows the peak alone, and one number is not worth a dependency (psutil).
    """
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
