"""A sound backend over TCP, as small as can be: what the mutants about connections are made of.

The server keeps its registers in this process. A request is one line of JSON, and so is its answer. Where the server
has a `guard`, the first line of a connection says who the client is, and its answer who the server is: a toy that
stands for passwords and TLS. A client that `seals` sends its lines encrypted, and is answered so: see `_sealed_lines`.
"""

from __future__ import annotations

import base64
import json
import math
import os
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rdzv_conformance.mutants._sealed_lines import is_sealed, opened_line, sealed_line
from rdzv_core import (
    Option,
    RendezvousBackend,
    RendezvousConnectionError,
    RendezvousParameters,
    RendezvousStateError,
    SetStateResult,
    StateSnapshot,
    Token,
    accepts_options,
)
from rdzv_core.endpoint import parse_endpoint
from rdzv_core.envelope import seal
from rdzv_core.memory._registers import RegisterTable

READ_TIMEOUT = Option("read_timeout", int, 10, "seconds to wait for an answer", positive=True)

AUTHORITY = "ours"
NAMES = ["127.0.0.1", "localhost"]
"""Whom the server's certificate is for."""

Guard = Callable[[dict[str, Any], dict[str, Any]], str]
"""Says why a client that introduced itself so may not make a request; nothing if it may."""


class Extension:
    """What a server keeps beside its registers."""

    def answer(self, request: dict[str, Any], connection: socket.socket) -> dict[str, Any] | None:
        """Answer a request that is not about a register."""

    def ended(self, connection: socket.socket) -> None:
        """Note that a client has ended its connection in order."""

    def restarted(self) -> Extension:
        """Return what is left of it after a kill."""
        return self


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self,
        port: int = 0,
        registers: RegisterTable | None = None,
        guard: Guard | None = None,
        extension: Extension | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", port), _Conversation)
        self.extension = extension
        self.stopping = False
        self.registers = RegisterTable() if registers is None else registers
        self.lock = threading.Lock()
        self.guard = guard
        self.conversations: set[socket.socket] = set()


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        self.server.conversations.add(self.connection)
        hello: dict[str, Any] = {}
        try:
            for line in self.rfile:
                request = json.loads(opened_line(line))
                if "hello" in request:
                    hello = request["hello"]
                    answer: Any = {"authority": AUTHORITY, "names": NAMES} if hello["authority"] else {}
                else:
                    refusal = self.server.guard and self.server.guard(hello, request)
                    answer = {"refused": refusal} if refusal else self._answer_or_complain(request)
                told = json.dumps(answer).encode()
                self.wfile.write((sealed_line(told) if is_sealed(line) else told) + b"\n")
            if self.server.extension is not None and not self.server.stopping:
                self.server.extension.ended(self.connection)
        except (OSError, ValueError):
            pass  # the client went away, perhaps within a line
        finally:
            self.server.conversations.discard(self.connection)

    def _answer_or_complain(self, request: dict[str, Any]) -> Any:
        try:
            return self._answer(request)
        except RendezvousStateError as error:
            return {"corrupt": str(error)}

    def _answer(self, request: dict[str, Any]) -> list[Any] | dict[str, Any] | None:
        assert isinstance(self.server, _Server)
        if "delete" in request:
            token = request["token"] and base64.b64decode(request["token"])
            with self.server.lock:
                return {"deleted": self.server.registers.delete(request["delete"], token)}
        if self.server.extension is not None and "state" not in request:
            return self.server.extension.answer(request, self.connection)
        with self.server.lock:
            if request["state"] is None:
                answer: tuple[Any, ...] | None = self.server.registers.get(request["key"])
            else:
                token = request["token"] and base64.b64decode(request["token"])
                answer = self.server.registers.set(request["key"], base64.b64decode(request["state"]), token)
                if answer is not None and answer[2] and "nonce" in request:
                    answer = (answer[0], base64.b64decode(request["nonce"]), True)
                    self.server.registers.raw[request["key"]] = seal(answer[0], answer[1])
        return (
            None
            if answer is None
            else [base64.b64encode(answer[0]).decode(), base64.b64encode(answer[1]).decode(), *answer[2:]]
        )


class RemoteStore:
    """A server that can be killed and started again, with `survives(its registers)`; a context manager."""

    def __init__(
        self,
        guard: Guard | None = None,
        survives: Callable[[RegisterTable], RegisterTable] = lambda registers: registers,
        registers: RegisterTable | None = None,
        extension: Extension | None = None,
    ) -> None:
        self._guard, self._survives, self._port, self._extension = guard, survives, 0, extension
        self._start(registers)

    @property
    def endpoint(self) -> str:
        """Where it serves."""
        return f"127.0.0.1:{self._port}"

    def restart(self) -> None:
        """Cut every connection, and serve what survives."""
        self._stop()
        self._extension = self._extension and self._extension.restarted()
        self._start(self._survives(self._server.registers))

    def __enter__(self) -> RemoteStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _start(self, registers: RegisterTable | None) -> None:
        self._server = _Server(self._port, registers, self._guard, self._extension)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="mutants' store", daemon=True
        )
        self._thread.start()

    def _stop(self) -> None:
        self._server.stopping = True
        self._server.shutdown()
        self._thread.join()
        for conversation in list(self._server.conversations):
            try:
                conversation.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it ended by itself
        with self._server.lock:
            self._server.server_close()


class SoundRemote(RendezvousBackend):
    """A client of that server, with one connection that it makes when it needs one."""

    seals = False

    def __init__(self, params: RendezvousParameters) -> None:
        self.key = params.key
        self.params = params
        self.where = parse_endpoint(params.endpoint, 0)
        self.timeout: float | None = READ_TIMEOUT.of(params)
        self.closed = False
        self.connection: socket.socket | None = None
        self.lock = threading.Lock()
        self.ends = math.inf
        self.of_thread = threading.local()
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
        request = {"key": self.key, "state": base64.b64encode(state).decode(), "token": sent(token)}
        nonce = self.nonce()
        if nonce is not None:
            request["nonce"] = base64.b64encode(nonce).decode()
        answer = self.ask(request)
        return answer and SetStateResult(*answer)

    def nonce(self) -> bytes | None:
        """Return the token that a write has if it is done; None: the server draws it."""
        return None

    def close(self) -> None:
        self.closed = True
        self.after_a_fork()
        connection = self.connection
        if connection is not None:
            try:
                connection.shutdown(socket.SHUT_RDWR)  # a thread that waits for an answer is woken
            except OSError:
                pass  # it was gone already
        with self.lock:
            self.drop()

    def ask(self, request: dict[str, Any]) -> Any:
        self.after_a_fork()
        ends = vars(self.of_thread).get("ends") or self.end_of_a_call()
        if not self.lock.acquire(timeout=-1 if ends == math.inf else max(0.0, ends - time.monotonic())):
            raise RendezvousConnectionError(
                f"backend {self.name!r} at {self.params.endpoint!r} is still in other calls"
            )
        self.ends = ends
        try:
            return self.exchange(request)
        except (OSError, ValueError) as error:
            self.drop()
            raise RendezvousConnectionError(
                f"backend {self.name!r} at {self.params.endpoint!r} did not answer: {error}"
            ) from error
        finally:
            self.lock.release()

    @contextmanager
    def one_call(self) -> Iterator[None]:
        """Make what this thread asks meanwhile parts of one call: its timeout is that of all of them."""
        self.of_thread.ends = self.end_of_a_call()
        try:
            yield
        finally:
            self.of_thread.ends = None

    def end_of_a_call(self) -> float:
        """Return when a call that begins now has to be over."""
        return math.inf if self.timeout is None else time.monotonic() + self.timeout

    def time_left(self) -> float | None:
        """Return what is left of the call's time; None: there is no limit."""
        return None if self.ends == math.inf else max(0.001, self.ends - time.monotonic())

    def after_a_fork(self) -> None:
        """Let go of what is the parent's: its connection, and a lock that one of its threads may have held."""
        if os.getpid() != self.pid:
            self.pid, self.lock, self.connection = os.getpid(), threading.Lock(), None

    def exchange(self, request: dict[str, Any]) -> Any:
        if self.closed:
            raise OSError("closed")
        if self.connection is None:
            self.connection = socket.create_connection(self.where, self.time_left())
            self.connection.settimeout(self.timeout)
            self.introduce()
        self.connection.settimeout(self.time_left())
        return self.converse(request)

    def introduce(self) -> None:
        """Introduce this client and check the server; a store that asks for neither is not asked."""

    def converse(self, request: dict[str, Any]) -> Any:
        """Send a request and give its answer."""
        assert self.connection is not None
        asked = json.dumps(request).encode()
        self.connection.sendall((sealed_line(asked) if self.seals else asked) + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            self.connection.settimeout(self.time_left())
            part = self.connection.recv(65536)
            if not part:
                raise ConnectionResetError("the connection ended")
            answer += part
        found = json.loads(opened_line(answer))
        if isinstance(found, dict):
            if found.get("refused"):
                raise PermissionError(found["refused"])
            if found.get("corrupt"):
                raise RendezvousStateError(found["corrupt"])
            return found
        return found and [base64.b64decode(found[0]), base64.b64decode(found[1]), *found[2:]]

    def drop(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()


def sent(token: Token | None) -> str | None:
    """Return a token as it is sent: what cannot be one, as one that the server did not give."""
    used = token if (type(token) is bytes and token) or token is None else b"of another type, or empty"
    return None if used is None else base64.b64encode(used).decode()


sound_remote = accepts_options(READ_TIMEOUT)(lambda params: SoundRemote(params))
