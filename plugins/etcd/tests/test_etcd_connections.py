"""The connections underneath: what ends by an error leaves no socket, whatever else still refers to it."""

from __future__ import annotations

import gc
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rdzv_etcd import EtcdClient
from rdzv_etcd._client import sockets
from rdzv_etcd._client.gateway import Gateway
from rdzv_etcd._client.scope import CancelScope

from rdzv_core import RendezvousConfigurationError, RendezvousConnectionError
from rdzv_core.endpoint import HostPort


def _descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@pytest.fixture
def no_garbage_collector() -> Iterator[None]:
    """So that a socket which nobody closed stays open."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class _Server:
    """Answers every connection in its own way, on a thread."""

    def __init__(self, answer: bytes | None, reset_when: threading.Event) -> None:
        self._answer, self._reset_when = answer, reset_when
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                if self._answer is None:
                    self._reset_when.wait(10)
                    self._reset_when.clear()
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    client.recv(65536)
                    client.sendall(self._answer)


def test_a_connection_that_is_reset_before_tls_begins_is_closed(
    no_garbage_collector: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`SSLSocket` would leave it open for as long as anybody holds the error, and the collector a warning."""
    connected = threading.Event()
    server = _Server(None, connected)
    connect = sockets.connect

    def connect_and_be_reset(scope: CancelScope, host: str, port: int) -> socket.socket:
        sock = connect(scope, host, port)
        connected.set()
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        assert poll.poll(10_000)
        return sock

    monkeypatch.setattr(sockets, "connect", connect_and_be_reset)
    gateway = Gateway([HostPort("127.0.0.1", server.port)], ssl.create_default_context(), None)
    gateway.endpoints.answered(gateway.endpoints.preferred, 0.0, 0.0)  # so nobody asks which protocol it speaks
    before, errors = _descriptors(), []
    with EtcdClient(gateway, timeout=10) as client:
        for _ in range(3):
            with pytest.raises(RendezvousConnectionError) as caught:
                client.read(b"key")
            errors.append(caught.value)
        assert _descriptors() == before
    server.close()


def test_a_watch_whose_server_will_close_the_connection_is_closed(no_garbage_collector: None) -> None:
    """Where the answer says `Connection: close` the socket belongs to the answer, not to the connection."""
    line = b'{"result":{"events":[{}]}}\n'
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = _Server(b"%b%x\r\n%b\r\n" % (head, len(line), line), threading.Event())
    before = _descriptors()
    endpoint = HostPort("127.0.0.1", server.port)
    gateway = Gateway([endpoint], None, None)
    for _ in range(3):
        with CancelScope(time.monotonic() + 10) as scope:
            answers = gateway.stream(scope, endpoint, "/v3/watch", [{}])
            assert next(answers) == {"result": {"events": [{}]}}
            answers.close()
    assert _descriptors() <= before
    server.close()


def test_what_is_no_http_at_all_is_a_configuration_error() -> None:
    """Waiting does not turn another service into an etcd."""
    server = _Server(b"SSH-2.0-OpenSSH_9.2\r\n", threading.Event())
    with (
        EtcdClient(Gateway([HostPort("127.0.0.1", server.port)], None, None), timeout=10) as client,
        pytest.raises(RendezvousConfigurationError, match="SSH-2"),
    ):
        client.read(b"key")
    server.close()


def test_a_connection_to_itself_is_refused_and_leaves_the_port_free() -> None:
    """Where nobody listens on an ephemeral port, a socket may get that very port and connect to itself."""
    with socket.socket() as alone:
        alone.bind(("127.0.0.1", 0))
        where = alone.getsockname()
        alone.connect(where)
        with pytest.raises(ConnectionRefusedError):
            sockets.refuse_itself(alone)
    with socket.socket() as server:
        server.bind(where)
