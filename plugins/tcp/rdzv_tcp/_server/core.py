"""A server without sockets: what it remembers, and how its parts fit together."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable

from rdzv_tcp._net.settings import Settings, connection_limits
from rdzv_tcp._protocol import MemberWrite, StoreWrite
from rdzv_tcp._server.admission import Admission
from rdzv_tcp._server.commit import Client, Commit, ImmediateCommit
from rdzv_tcp._server.connection import Connection, Surroundings
from rdzv_tcp._server.idle_polling import IdlePolling
from rdzv_tcp._server.info import ServerInfo
from rdzv_tcp._server.member_service import MemberService
from rdzv_tcp._server.reaper import Reaper
from rdzv_tcp._server.register_service import RegisterService
from rdzv_tcp._server.rejections import Rejections
from rdzv_tcp._server.service import Service
from rdzv_tcp._server.store_service import StoreService
from rdzv_tcp._server.tls_transport import TlsTransport
from rdzv_tcp._server.waiters import Waiters
from rdzv_tcp._state.state import Effect, new_state
from rdzv_tcp._wal.group_commit import GroupCommit
from rdzv_tcp._wal.log import Log
from rdzv_tcp._wal.pending_members import PendingMembers

RECEIVE_BYTES = 256 * 1024


class Core:
    """Everything of a server but its sockets, thread and loop; its parts run on the server's loop alone.

    A connection asks the `Service`, which answers from the state, has it wait among the `waiters`, or has its write
    committed: at once, or by way of the log. What a write changes wakes those who wait for it. With a data directory
    it raises `OSError` or `RendezvousStateError` on creation.
    """

    def __init__(self, settings: Settings) -> None:
        self.log = None if settings.data_dir is None else Log(settings.data_dir, fsync=settings.fsync)
        self.state = new_state() if self.log is None else self.log.state
        self.waiters = Waiters()
        self.admission = Admission(*connection_limits(settings))
        self.connections: set[Connection] = set()
        self._reaper = Reaper(self.state.members)
        pending = PendingMembers()
        self.members = MemberService(self.state.members, pending, self._reaper)
        self.info = info = ServerInfo(
            settings, self.state, None if self.log is None else self.log.directory, self.connections
        )
        service = Service(info, RegisterService(self.state.table), self.members, StoreService(self.state.stores))
        self.commit: Commit = (
            ImmediateCommit(service.apply, self.waiters, self.state.members)
            if self.log is None
            else GroupCommit(self.log, pending, _Effects(service, self.waiters, self._reaper))
        )
        scratch = memoryview(bytearray(RECEIVE_BYTES))
        self.idle_polling = IdlePolling(scratch)
        self.shared = Surroundings(
            settings=settings,
            scratch=scratch,
            welcome=self.info.welcome,
            service=service,
            commit=self.commit,
            waiters=self.waiters,
            admission=self.admission,
            idle_polling=self.idle_polling,
            rejections=Rejections(),
            connections=self.connections,
        )

    def new_connection(self) -> asyncio.BufferedProtocol:
        """Return what serves a client that has just connected."""
        tls = self.shared.settings.tls
        return Connection(self.shared) if tls is None else TlsTransport(self.shared, tls)

    def begin(self) -> None:
        """Start the time: every member that was read from disk has a whole ttl from now on."""
        self.state.members.begin(self._reaper.now())
        self._reaper.begin(self.commit.end)

    async def finish(self) -> None:
        """Finish what was begun, once there are no connections any more."""
        self.shared.rejections.sum_up()
        self.idle_polling.close()
        self._reaper.stop()
        await self.commit.close()

    def close(self) -> None:
        """Close what it has open, without finishing anything. Idempotent."""
        self.idle_polling.close()
        if self.log is not None:
            self.log.close()


class _Effects:
    """What a group commit does to a server: see `rdzv_tcp._wal.group_commit.Effects`."""

    def __init__(self, service: Service, waiters: Waiters, reaper: Reaper) -> None:
        self._service = service
        self._waiters = waiters
        self._reaper = reaper

    def now(self) -> float:
        return self._reaper.now()

    def apply(self, request: MemberWrite | StoreWrite, writer: Client, displaced: str | None) -> Effect:
        return self._service.apply(request, writer, displaced)

    def changed(
        self, topics: Iterable[Hashable], writer: Client | None = None, dropped: tuple[str, ...] | None = None
    ) -> None:
        self._waiters.changed(topics, writer, dropped)

    def settled(self) -> None:
        self._reaper.arm()
