"""The server: an asyncio loop that serves a table of registers, on a thread of its own or in the foreground."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import NamedTuple, TypeVar

from rdzv_core.endpoint import HostPort
from rdzv_tcp._net.endpoint import Address
from rdzv_tcp._net.settings import Settings
from rdzv_tcp._protocol import HealthReport
from rdzv_tcp._server.core import Core
from rdzv_tcp._server.listen import BACKLOG, bound_addresses, listen

_log = logging.getLogger("rdzv_tcp")

_ANSWER_SECONDS = 5.0

T = TypeVar("T")


class TcpServer:
    """A store that serves its clients until it is stopped; without a data directory its memory is gone then.

    It is bound, and accepts connections, from its creation on; they are answered from `start` or `run` on. One of
    the two is called, once. Raises `OSError` on creation where `endpoint` cannot be bound or the data
    directory cannot be used, `RendezvousStateError` where that is corrupt. Thread-safe.
    """

    def __init__(self, endpoint: HostPort, settings: Settings | None = None, *, elect: bool = False) -> None:
        self._listeners = listen(endpoint, elect=elect)
        settings = settings or Settings()
        self.settings: Settings = settings
        self.addresses: list[Address] = bound_addresses(self._listeners)
        self.endpoint: HostPort = HostPort(endpoint.host, self.addresses[0].port)
        """Where clients reach it: the host that was given, and the port that was bound."""
        try:
            # Only a process that has bound the endpoint touches the data directory: an election is decided before.
            self._core = Core(settings)
        except BaseException:
            for listener in self._listeners:
                listener.close()
            raise
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._thread: threading.Thread | None = None
        self._serving = threading.Event()
        self._failure: OSError | None = None
        self._stop_lock = threading.Lock()
        _servers.add(self)

    def start(self) -> TcpServer:
        """Serve on a daemon thread, which ends with the process; returns once it serves. Raises `OSError`."""
        self._thread = threading.Thread(target=self._run_thread, name=f"rdzv-tcp-server-{self.endpoint}", daemon=True)
        self._thread.start()
        self._serving.wait()
        if self._failure is not None:
            self.stop()
            raise self._failure
        if exposed := self.exposure():
            _log.warning("rdzv tcp server: %s", exposed)
        return self

    def exposure(self) -> str:
        """Return what anybody can do without credentials; empty if only this machine, or nobody, can."""
        open_to = [str(address) for address in self.addresses if not address.is_loopback()]
        if not open_to or not self.settings.open_to_all:
            return ""
        return (
            f"anybody who can reach {', '.join(open_to)} can read and change every run: there is no authentication; "
            "set auth_token, or tls_cert and tls_client_ca, or listen on a network that you trust"
        )

    def stop(self) -> None:
        """Disconnect everybody, end the thread and close every socket. Idempotent; not for a server that `run`s."""
        with self._stop_lock:
            thread, self._thread = self._thread, None
            if thread is not None:
                try:
                    if self._loop is not None:
                        self._loop.call_soon_threadsafe(self._stopping.set)
                except RuntimeError:  # the loop has ended already
                    pass
                thread.join()
            for listener in self._listeners:
                listener.close()
            self._core.close()

    def members(self) -> dict[str, list[bytes]]:
        """Return what the members of every run say; none where it does not serve. Not to be called on its loop."""
        return self._read(self._core.state.members.payloads) or {}

    def health(self) -> HealthReport | None:
        """Return the server's health; None where it does not serve, or not within 5 s. Not to be called on its loop."""
        return self._read(self._core.info.health)

    def _read(self, read: Callable[[], T]) -> T | None:
        """Call `read` on the server's loop; None where that has ended, or does not get to it."""
        found: Future[T] = Future()
        loop = self._loop
        if loop is None:
            return None
        try:
            loop.call_soon_threadsafe(lambda: found.set_result(read()))
            return found.result(_ANSWER_SECONDS)
        except (RuntimeError, FutureTimeout):  # the loop has ended, or is about to
            return None

    async def run(self, on_serving: Callable[[asyncio.Event], None]) -> None:
        """Serve in the running loop; `on_serving` is called with the event that ends it."""
        self._loop = loop = asyncio.get_running_loop()
        servers = [
            await loop.create_server(self._core.new_connection, sock=listener, backlog=BACKLOG)
            for listener in self._listeners
        ]
        self._core.begin()
        on_serving(self._stopping)
        await self._stopping.wait()
        # Nobody is accepted any more. Only then are those disconnected who just were, and the listeners closed last:
        # asyncio forgets a socket, open as it is, that was accepted for a server which has been closed since.
        for listener in self._listeners:
            loop.remove_reader(listener)
        await self._disconnect_all()
        for server in servers:
            server.close()
        await self._core.finish()

    async def _disconnect_all(self) -> None:
        # A socket that was just accepted becomes a connection some turns of the loop later.
        turns = 5
        while turns > 0 or self._core.connections:
            for connection in list(self._core.connections):
                connection.abort()
            await asyncio.sleep(0)
            turns -= 1

    def _run_thread(self) -> None:
        try:
            asyncio.run(self.run(lambda _: self._serving.set()))
        except OSError as error:  # no descriptor left for the loop, say
            self._failure = error
        finally:
            self._serving.set()

    def _abandon(self) -> None:
        """In a forked child: let go of the parent's sockets, so that its clients see its end.

        The descriptors are pointed elsewhere instead of closed: the objects that own them live on in a loop that
        nobody runs here, and must not close a number that stands for something else by then.
        """
        nowhere = os.open(os.devnull, os.O_RDONLY)
        owned = [one.fileno() for one in self._listeners] + [one.descriptor for one in self._core.connections]
        for descriptor in owned:
            if descriptor >= 0:
                os.dup2(nowhere, descriptor, inheritable=False)
        os.close(nowhere)
        self._core.close()  # the directory's lock is the parent's: closing a copy does not give it up
        self._thread, self._stop_lock = None, threading.Lock()
        _abandoned.append(self)

    def __enter__(self) -> TcpServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "serving" if self._thread is not None and self._thread.is_alive() else "not serving"
        connections, registers = len(self._core.connections), len(self._core.state.table)
        return f"<TcpServer {self.endpoint} [{state}, {connections} connections, {registers} registers]>"


def core_of(server: TcpServer) -> Core:
    """Return what a server is made of, for tests."""
    return server._core


class Probe(NamedTuple):
    """What a server is made of that serves on a thread of its own."""

    core: Core
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread
    stopping: asyncio.Event


def servers_of_this_process() -> list[TcpServer]:
    """Return the servers of this process that are not stopped or forgotten, for tests."""
    return list(_servers)


def probe(server: TcpServer) -> Probe:
    """Return what a server that serves on a thread of its own is made of, for tests."""
    assert server._loop is not None
    assert server._thread is not None
    return Probe(server._core, server._loop, server._thread, server._stopping)


_servers: weakref.WeakSet[TcpServer] = weakref.WeakSet()
_abandoned: list[TcpServer] = []


def _after_fork_in_child() -> None:
    for server in list(_servers):
        server._abandon()
    _servers.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
