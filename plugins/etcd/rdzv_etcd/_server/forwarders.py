"""TCP forwarders on loopback that can fall silent: `EtcdCluster` cuts members off with them, without root."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

HOST = "127.0.0.1"
_CHUNK = 65536
_FROM = re.compile(rb"\r\nX-Server-From: ([0-9a-f]+)\r\n", re.IGNORECASE)
"""The header by which a request between members names the one that sends it."""

T = TypeVar("T")


class Forwarder:
    """One port, forwarded to a port that a member listens on.

    While the member does not run, connections are refused, as they are where no forwarder is.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, target_port: int, silent: Callable[[str], bool]) -> None:
        self._loop = loop
        self._target = (HOST, target_port)
        self._silent = silent
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_open = False
        self._socket = _bound(0)
        self.port: int = self._socket.getsockname()[1]

    async def open(self) -> None:
        """Accept connections."""
        if not self._is_open:
            self._is_open = True
            _allow_others(self._socket, True)  # or what is left of its connections holds the port, once it is closed
            self._socket.listen(128)
            self._loop.add_reader(self._socket, self._accept)

    async def refuse(self) -> None:
        """Refuse connections from now on, keeping the port; existing ones go on until one side ends them."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = _bound(self.port)

    async def look_again(self) -> None:
        """Make every connection find out whether it is silent now."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def break_all(self) -> None:
        """End every connection, with what is held back on it; new ones are accepted."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """End everything."""
        await self.refuse()
        await self.break_all()
        self._socket.close()

    def _accept(self) -> None:
        try:
            near, _ = self._socket.accept()
        except OSError:
            return  # the peer is gone already, or too many files are open
        task = self._loop.create_task(self._forward(near))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: near.close())  # where it was cancelled before it began

    async def _forward(self, near: socket.socket) -> None:
        far = socket.socket()
        near.setblocking(False)
        far.setblocking(False)
        sender: list[str] = [""]
        with near, far, contextlib.suppress(OSError):
            await self._passing(sender)
            await self._loop.sock_connect(far, self._target)
            for sock in (near, far):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.gather(self._pump(near, far, sender), self._pump(far, near, sender))

    async def _pump(self, source: socket.socket, sink: socket.socket, sender: list[str]) -> None:
        """Move bytes; while it is silent they are held back, as by a network that loses every packet."""
        while data := await self._loop.sock_recv(source, _CHUNK):
            if not sender[0] and (found := _FROM.search(data)):
                sender[0] = found[1].decode()
            await self._passing(sender)
            await self._loop.sock_sendall(sink, data)
        await self._passing(sender)
        sink.shutdown(socket.SHUT_WR)

    async def _passing(self, sender: list[str]) -> None:
        while self._silent(sender[0]):
            await self._changed.wait()


class ForwarderLoop:
    """The thread on which all forwarders of a cluster run."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rdzv-etcd-forwarders", daemon=True)
        self._thread.start()
        self._forwarders: list[Forwarder] = []

    def forwarder(self, target_port: int, silent: Callable[[str], bool]) -> Forwarder:
        """Make a forwarder that refuses until it is opened.

        `silent` tells whether nothing may pass on a connection, by the id of the member that opened it: "" for a
        client's, or where the id is not known yet.
        """

        async def make() -> Forwarder:
            return Forwarder(self._loop, target_port, silent)

        made = self.run(make())
        self._forwarders.append(made)
        return made

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it on the loop's thread and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def close(self) -> None:
        """End all forwarders and the thread."""
        for forwarder in self._forwarders:
            self.run(forwarder.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _bound(port: int) -> socket.socket:
    """Make a socket that holds a port and does not listen: connections to it are refused.

    While SO_REUSEADDR is set of a socket that does not listen, others may bind its port, and listen first.
    """
    sock = socket.socket()
    _allow_others(sock, port != 0)  # connections of the socket before it
    sock.bind((HOST, port))
    _allow_others(sock, False)
    sock.setblocking(False)
    return sock


def _allow_others(sock: socket.socket, allowed: bool) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(allowed))
