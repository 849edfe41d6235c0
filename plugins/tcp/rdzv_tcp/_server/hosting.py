"""The servers that this process hosts: one per address, kept while somebody in the process uses it."""

from __future__ import annotations

import os
import threading

from rdzv_core.addresses import is_unspecified, outgoing_address
from rdzv_core.endpoint import HostPort
from rdzv_tcp._net.endpoint import resolve
from rdzv_tcp._net.settings import Settings
from rdzv_tcp._server.server import TcpServer


class Hosting:
    """One user's hold on a server of this process; the last `release` stops the server. Thread-safe."""

    def __init__(self, server: TcpServer) -> None:
        self.server = server
        self._held = True

    def share(self) -> Hosting:
        """Return another hold on the same server."""
        with _lock:
            _users[self.server] = _users.get(self.server, 0) + 1
        return Hosting(self.server)

    def release(self) -> None:
        """Let go. Idempotent."""
        with _lock:
            if not self._held:
                return
            self._held = False
            # A forked child holds nothing: the server runs in its parent.
            users = _users.get(self.server, 0) - 1
            if users > 0:
                _users[self.server] = users
            elif users == 0:
                del _users[self.server]
                self.server.stop()


def host(endpoint: HostPort, settings: Settings, *, elect: bool = False) -> Hosting:
    """Host `endpoint`, or share the server with which this process hosts it already. Raises as `TcpServer` does."""
    with _lock:
        server = _hosted_already(endpoint) or TcpServer(endpoint, settings, elect=elect).start()
        _users[server] = _users.get(server, 0) + 1
    return Hosting(server)


def hosted_here(endpoint: HostPort) -> Hosting | None:
    """Share the server with which this process hosts `endpoint`, None if it does not. Raises `OSError`."""
    with _lock:
        server = _hosted_already(endpoint)
        if server is None:
            return None
        _users[server] += 1
    return Hosting(server)


def own_store_hint(server: TcpServer) -> str:
    """Return what to do where others are awaited at an endpoint that means another store on their machines."""
    endpoint = server.endpoint
    if not (is_unspecified(endpoint.host) or all(address.is_loopback() for address in server.addresses)):
        return ""
    address = outgoing_address()
    this = "this host's address" if address is None else f"this host's address ({HostPort(address, endpoint.port)})"
    return (
        f"This node hosts its own store at {endpoint}, and so does every machine that is given this endpoint: "
        f"where nodes run on several machines, give all of them {this}"
    )


def _hosted_already(endpoint: HostPort) -> TcpServer | None:
    if endpoint.port == 0 or not _users:
        return None
    first = resolve(endpoint)[0]
    return next((server for server in _users if first in server.addresses), None)


_users: dict[TcpServer, int] = {}
_lock = threading.Lock()


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()
    _users.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
