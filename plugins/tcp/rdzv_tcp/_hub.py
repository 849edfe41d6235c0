"""What the connections of a server share: the table, and who waits for what. Runs on the server's loop alone."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Hashable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from rdzv_tcp._commit import Committer
from rdzv_tcp._desk import Desk
from rdzv_tcp._journal import Journal
from rdzv_tcp._lobby import Lobby
from rdzv_tcp._questions import Question
from rdzv_tcp._server_messages import Healthy
from rdzv_tcp._settings import Settings, connection_limits
from rdzv_tcp._table import Table
from rdzv_tcp._wire import PROTOCOL, Welcome, encode

if TYPE_CHECKING:
    import asyncio

    from rdzv_tcp._peer import Peer

RECEIVE_BYTES = 256 * 1024


class Waiting:
    """One request that waits for a topic to change."""

    __slots__ = ("peer", "question", "request_id", "size", "timer", "topic")

    def __init__(self, peer: Peer, request_id: int, question: Question, topic: Hashable) -> None:
        self.peer = peer
        self.request_id = request_id
        self.question = question
        self.topic = topic
        self.size = question.size
        self.timer: asyncio.TimerHandle | None = None


class Hub:
    """The shared part of a server. With a data directory it raises `OSError` or `RendezvousStateError` on creation."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lobby = Lobby(*connection_limits(settings))
        self.journal = None if settings.data_dir is None else Journal(settings.data_dir, fsync=settings.fsync)
        self.committer = None if self.journal is None else Committer(self, self.journal)
        self.table = Table() if self.journal is None else self.journal.table
        self.started = time.monotonic()
        self.peers: set[Peer] = set()
        self.server = f"process {os.getpid()} on {socket.gethostname()}"
        # One buffer serves all connections: the loop hands what was received on before it receives again.
        self.scratch = memoryview(bytearray(RECEIVE_BYTES))
        self.desk = Desk(self)
        self._waiting: dict[Hashable, set[Waiting]] = {}

    def welcome(self, proof: bytes) -> Welcome:
        """Give what a client is met with that may be here."""
        durable, guarded = self.journal is not None, not self.settings.open_to_all
        return Welcome(PROTOCOL, self.table.incarnation, self.server, proof, durable, guarded)

    def health(self) -> Healthy:
        """Give how the server is."""
        return Healthy(
            server=self.server,
            uptime=time.monotonic() - self.started,
            connections=len(self.peers),
            registers=len(self.table),
            version=version("rdzv-tcp"),
            data_dir="" if self.journal is None else str(self.journal.directory),
            runs=self.desk.members.runs,
            members=len(self.desk.members),
            memory=_resident(),
            durable=self.journal is not None,
            guarded=not self.settings.open_to_all,
            incarnation=self.table.incarnation,
        )

    def wait(self, waiting: Waiting) -> None:
        """Answer `waiting` when its topic has changed."""
        self._waiting.setdefault(waiting.topic, set()).add(waiting)

    def forget(self, waiting: Waiting) -> None:
        """Wait no more."""
        if waiting.timer is not None:
            waiting.timer.cancel()
        there = self._waiting.get(waiting.topic)
        if there is not None:
            there.discard(waiting)
            if not there:
                del self._waiting[waiting.topic]

    def changed(self, topic: Hashable) -> None:
        """Answer everybody who waits for `topic`; what many are told is encoded once for all of them."""
        there = self._waiting.pop(topic, None)
        if there is None:
            return
        bodies: dict[Hashable, bytes] = {}
        for waiting in there:
            next_topic = waiting.question.topic()
            if next_topic is not None:
                waiting.topic = next_topic
                self.wait(waiting)
                continue
            body = bodies.get(waiting.question.likeness)
            if body is None:
                body = bodies[waiting.question.likeness] = encode(waiting.question.answer())
            waiting.peer.wake(waiting, body)

    def changed_below(self, prefix: tuple[str, ...]) -> None:
        """The same for all topics that begin with `prefix`; it looks at every topic."""
        for topic in [one for one in self._waiting if isinstance(one, tuple) and one[: len(prefix)] == prefix]:
            self.changed(topic)


def _resident() -> int:
    """Give the bytes of memory that this process has resident; 0 where only the peak is known."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
