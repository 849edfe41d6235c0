"""The proxy that the suite puts between a backend and its store."""

from __future__ import annotations

import gc
import socket
import time
from contextlib import ExitStack, closing

from rdzv_conformance.harness.proxy import Proxy


def test_a_connection_that_was_taken_a_moment_before_a_cut_is_closed() -> None:
    """At whatever step of its taking the cut comes: what is left open would be a leak of the backend under test."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=100)) as store:
        for number in range(60):
            with Proxy(*store.getsockname()) as proxy, ExitStack() as clients:
                for _ in range(number % 4 + 1):
                    clients.enter_context(socket.create_connection(("127.0.0.1", proxy.port), timeout=20))
                proxy.cut()
            gc.collect()  # the warning about a socket that was never closed is an error here


def test_a_late_answer_is_late_by_itself() -> None:
    """Each answer comes so many seconds after the store gave it, however many come at once, and in their order."""
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as store,
        Proxy(*store.getsockname()) as proxy,
        closing(socket.create_connection(("127.0.0.1", proxy.port), timeout=20)) as client,
        closing(store.accept()[0]) as behind,
    ):
        proxy.delay_answers(0.2)
        began = time.monotonic()
        for number in range(5):
            behind.sendall(b"%d" % number)
        assert _received(client, 5) == b"01234"
        assert time.monotonic() >= began + 0.2
        client.sendall(b"asked")  # what is asked is not late
        assert _received(behind, 5) == b"asked"


def _received(connection: socket.socket, length: int) -> bytes:
    got = b""
    while len(got) < length:
        got += connection.recv(length - len(got))
    return got
