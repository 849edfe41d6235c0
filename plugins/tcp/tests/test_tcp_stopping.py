"""A server that stops leaves nothing open, whoever comes at the last moment."""

from __future__ import annotations

import contextlib
import gc
import socket

from rdzv_tcp import TcpServer
from rdzv_tcp._server.server import probe

from rdzv_core.endpoint import HostPort


def test_who_is_accepted_while_the_server_stops_is_disconnected() -> None:
    """Its connection ends, and the server's side of it is closed and not merely forgotten (a ResourceWarning)."""
    server = TcpServer(HostPort("127.0.0.1", 0)).start()
    clients: list[socket.socket] = []
    _, loop, thread, stopping = probe(server)

    def at_the_last_moment() -> None:
        # The loop's next turn first decides to stop and then accepts; what is accepted is taken care of a turn later.
        clients.append(socket.create_connection(("127.0.0.1", server.endpoint.port), timeout=20))
        loop.call_soon(stopping.set)

    loop.call_soon_threadsafe(at_the_last_moment)
    thread.join(20)
    server.stop()
    (client,) = clients
    with client, contextlib.suppress(ConnectionResetError):
        assert client.recv(1) == b""
    gc.collect()
