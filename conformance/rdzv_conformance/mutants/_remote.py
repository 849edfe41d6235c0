"""A sound backend over TCP, as small as can be: what the mutants about connections are made of.

The server keeps its registers in this process. A request is one line of JSON, and so is its answer.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rdzv_core import (
    Option,
    RendezvousBackend,
    RendezvousConnectionError,
    RendezvousParameters,
    SetStateResult,
    StateSnapshot,
    Token,
    accepts_options,
)
from rdzv_core.endpoint import parse_endpoint
from rdzv_core.memory._registers import RegisterTable

READ_TIMEOUT = Option("read_timeout", int, 10, "seconds to wait for an answer", positive=True)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.registers = RegisterTable()
        self.lock = threading.Lock()


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        try:
            for line in self.rfile:
                self.wfile.write(json.dumps(self._answer(json.loads(line))).encode() + b"\n")
        except OSError:
            pass  # the client went away

    def _answer(self, request: dict[str, Any]) -> list[Any] | None:
        assert isinstance(self.server, _Server)
        with self.server.lock:
            if request["state"] is None:
                answer: tuple[Any, ...] | None = self.server.registers.get(request["key"])
            else:
                token = request["token"] and base64.b64decode(request["token"])
                answer = self.server.registers.set(request["key"], base64.b64decode(request["state"]), token)
        return (
            None
            if answer is None
            else [base64.b64encode(answer[0]).decode(), base64.b64encode(answer[1]).decode(), *answer[2:]]
        )


@contextmanager
def remote_store() -> Iterator[str]:
    """Serve registers for as long as the context lasts; gives the endpoint."""
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="mutants' store", daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class SoundRemote(RendezvousBackend):
    """A client of that server, with one connection that it makes when it needs one."""

    def __init__(self, params: RendezvousParameters) -> None:
        self.key = params.key
        self.params = params
        self.where = parse_endpoint(params.endpoint, 0)
        self.timeout: float | None = READ_TIMEOUT.of(params)
        self.closed = False
        self.connection: socket.socket | None = None
        self.lock = threading.Lock()
        self.pid = os.getpid()
        if "\0" in params.endpoint:
            raise ValueError(f"endpoint {params.endpoint!r} holds a NUL")

    @property
    def name(self) -> str:
        return self.params.backend

    def get_state(self) -> StateSnapshot | None:
        answer = self.ask({"key": self.key, "state": None, "token": None})
        return answer and StateSnapshot(answer[0], answer[1])

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        if len(state) > self.max_state_bytes:
            raise ValueError(f"a state of {len(state)} bytes is over {self.max_state_bytes}")
        used = token if (isinstance(token, bytes) and token) or token is None else b"of another type, or empty"
        request = {
            "key": self.key,
            "state": base64.b64encode(state).decode(),
            "token": used and base64.b64encode(used).decode(),
        }
        answer = self.ask(request)
        return answer and SetStateResult(*answer)

    def close(self) -> None:
        self.closed = True
        connection = self.connection
        if connection is not None and os.getpid() == self.pid:
            try:
                connection.shutdown(socket.SHUT_RDWR)  # whoever waits for an answer is woken
            except OSError:
                pass  # it was gone already
        with self.lock:
            self.drop()

    def ask(self, request: dict[str, Any]) -> Any:
        if os.getpid() != self.pid:
            self.pid, self.lock, self.connection = os.getpid(), threading.Lock(), None
        with self.lock:
            try:
                return self.exchange(request)
            except (OSError, ValueError) as error:
                self.drop()
                raise RendezvousConnectionError(
                    f"backend {self.name!r} at {self.params.endpoint!r} did not answer: {error}"
                ) from error

    def exchange(self, request: dict[str, Any]) -> Any:
        if self.closed:
            raise OSError("closed")
        if self.connection is None:
            self.connection = socket.create_connection(self.where, self.timeout)
            self.connection.settimeout(self.timeout)
        self.connection.sendall(json.dumps(request).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            part = self.connection.recv(65536)
            if not part:
                raise ConnectionResetError("the connection ended")
            answer += part
        found = json.loads(answer)
        return found and [base64.b64decode(found[0]), base64.b64decode(found[1]), *found[2:]]

    def drop(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()


sound_remote = accepts_options(READ_TIMEOUT)(lambda params: SoundRemote(params))
