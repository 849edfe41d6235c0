"""The messages about the server itself: its health, and that it could not keep a write."""

from __future__ import annotations

from rdzv_tcp._protocol.base import Message


class HealthRequest(Message, tag="health"):
    """Ask for the server's health."""


class HealthReport(Message, tag="healthy"):
    """The server's health. `uptime` is in seconds; `data_dir` is empty if nothing is kept on disk.

    `runs` are those that have members; `memory` is the resident memory of the server's process in bytes, 0 if the
    system does not tell. `durable` and `guarded` as in `Welcome`; `incarnation` is that of the memory of registers.
    """

    server: str
    uptime: float
    connections: int
    registers: int
    version: str
    data_dir: str
    runs: int = 0
    members: int = 0
    memory: int = 0
    durable: bool = False
    guarded: bool = False
    incarnation: bytes = b""


class Failed(Message, tag="failed"):
    """The write could not be kept on disk. It was not done, unless `reason` tells otherwise."""

    reason: str
