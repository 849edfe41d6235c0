"""What the connections of a server share: the table, and who waits for what. Runs on the server's loop alone."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Hashable
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

from rdzv_tcp._net.settings import Settings, connection_limits
from rdzv_tcp._protocol import PROTOCOL, HealthReport, Welcome, encode
from rdzv_tcp._server.admission import Admission
from rdzv_tcp._server.deadlines import Deadlines
from rdzv_tcp._server.desk import Desk
from rdzv_tcp._server.idle_polling import IdlePolling
from rdzv_tcp._server.rejections import Rejections
from rdzv_tcp._server.wait_requests import WaitRequest
from rdzv_tcp._state.table import Table
from rdzv_tcp._wal.group_commit import GroupCommit
from rdzv_tcp._wal.log import Log

if TYPE_CHECKING:
    from rdzv_tcp._server.connection import Peer

RECEIVE_BYTES = 256 * 1024


class Waiter:
    """One request that waits for a topic to change."""

    __slots__ = ("alarm", "peer", "question", "request_id", "size", "topic")

    def __init__(self, peer: Peer, request_id: int, question: WaitRequest, topic: Hashable) -> None:
        self.peer = peer
        self.request_id = request_id
        self.question = question
        self.topic = topic
        self.size = question.size
        self.alarm: set[Waiter] | None = None
        """Those among whom it is until it has waited long enough."""

    def stop_alarm(self) -> None:
        """Let it wait no longer for its time to be over."""
        if self.alarm is not None:
            self.alarm.discard(self)
            if not self.alarm:
                self.alarm.clear()  # a set from which all were discarded still takes the memory of all
            self.alarm = None


class Hub:
    """The shared part of a server. With a data directory it raises `OSError` or `RendezvousStateError` on creation."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lobby = Admission(*connection_limits(settings))
        self.journal = None if settings.data_dir is None else Log(settings.data_dir, fsync=settings.fsync)
        self.committer = None if self.journal is None else GroupCommit(self, self.journal)
        self.table = Table() if self.journal is None else self.journal.table
        self.started = time.monotonic()
        self.peers: set[Peer] = set()
        self.server = f"process {os.getpid()} on {socket.gethostname()}"
        # One buffer serves all connections: the loop hands what was received on before it receives again.
        self.scratch = memoryview(bytearray(RECEIVE_BYTES))
        self.desk = Desk(self)
        self.alarms = Deadlines()
        self.crowd = IdlePolling(self.scratch)
        self.refusals = Rejections()
        self._waiting: dict[Hashable, set[Waiter]] = {}

    def welcome(self, proof: bytes) -> Welcome:
        """Give what a client is met with that may be here."""
        durable, guarded = self.journal is not None, not self.settings.open_to_all
        return Welcome(PROTOCOL, self.table.incarnation, self.server, proof, durable, guarded)

    def health(self) -> HealthReport:
        """Give how the server is."""
        return HealthReport(
            server=self.server,
            uptime=time.monotonic() - self.started,
            connections=len(self.peers),
            registers=len(self.table),
            version=_version(),
            data_dir="" if self.journal is None else str(self.journal.directory),
            runs=self.desk.members.runs,
            members=len(self.desk.members),
            memory=_resident(),
            durable=self.journal is not None,
            guarded=not self.settings.open_to_all,
            incarnation=self.table.incarnation,
        )

    def wait(self, waiting: Waiter) -> None:
        """Answer `waiting` when its topic has changed."""
        self._waiting.setdefault(waiting.topic, set()).add(waiting)

    def forget(self, waiting: Waiter) -> None:
        """Wait no more."""
        waiting.stop_alarm()
        there = self._waiting.get(waiting.topic)
        if there is not None:
            there.discard(waiting)
            if not there:
                del self._waiting[waiting.topic]

    def changed(self, topic: Hashable, writer: Peer | None = None) -> None:
        """Answer everybody who waits for `topic`; what many are told is encoded once for all of them.

        What `writer` has been answered is on its way before.
        """
        there = self._waiting.pop(topic, None)
        if there is None:
            return
        if writer is not None:
            writer.flush()
        bodies: dict[Hashable, bytes] = {}
        woken: dict[Peer, list[tuple[Waiter, bytes]]] = {}
        for waiting in there:
            next_topic = waiting.question.topic()
            if next_topic is not None:
                waiting.topic = next_topic
                self.wait(waiting)
                continue
            body = bodies.get(waiting.question.likeness)
            if body is None:
                body = bodies[waiting.question.likeness] = encode(waiting.question.answer())
            woken.setdefault(waiting.peer, []).append((waiting, body))
        for peer, answers in woken.items():
            peer.wake(answers)

    def changed_below(self, prefix: tuple[str, ...]) -> None:
        """The same for all topics that begin with `prefix`; it looks at every topic."""
        for topic in [one for one in self._waiting if isinstance(one, tuple) and one[: len(prefix)] == prefix]:
            self.changed(topic)


@cache
def _version() -> str:
    # One without metadata is what an interrupted pip left behind; there is none at all in a source tree.
    found = (each for each in distributions(name="rdzv-tcp") if each.read_text("METADATA"))
    return next((each.version for each in found), "not installed")


def _resident() -> int:
    """Give the bytes of memory that this process has resident; 0 where only the peak is known."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
