"""The stores that are measured side by side, each with a blocking read and a blocking compare-and-set."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import statistics
import struct
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks._processes import child, on_cpu, rdzv_server
from rdzv_core import RendezvousParameters, Token, create_backend

WARM_UP = 50


class Contender(ABC):
    """A store, or a stand-in for one; its server is another process."""

    name: str

    @abstractmethod
    def times(self, what: str, size: int, count: int) -> list[float]:
        """Return the seconds that each of `count` calls took; `what` is "get" or "cas", of `size` bytes."""


def timed(call: Callable[[], object], count: int) -> list[float]:
    """Return the seconds that each of `count` calls takes."""
    for _ in range(WARM_UP):
        call()
    times = []
    for _ in range(count):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return times


ECHO = """
import socket, struct
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
there, _ = listener.accept()
there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
buffer, answers = bytearray(1 << 20), memoryview(bytes(1 << 20))
while got := there.recv_into(buffer):
    wanted, answer = struct.unpack_from(">II", buffer)
    while got < wanted:
        got += there.recv_into(buffer)
    there.sendall(answers[:answer])
"""
QUESTION = struct.Struct(">II")
SMALL = 64


class PingPong(Contender):
    """Bare blocking sockets: the same number of bytes there and back, and nothing done with them."""

    name = "ping-pong"

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def times(self, what: str, size: int, count: int) -> list[float]:
        there, back = (SMALL, size) if what == "get" else (size, SMALL)
        data = QUESTION.pack(there, back) + bytes(there - QUESTION.size)
        buffer = bytearray(1 << 20)

        def call() -> None:
            self._socket.sendall(data)
            got = 0
            while got < back:
                got += self._socket.recv_into(buffer)

        return timed(call, count)


class Rdzv(Contender):
    """This backend."""

    name = "rdzv"

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def times(self, what: str, size: int, count: int) -> list[float]:
        params = RendezvousParameters("tcp", self._endpoint, secrets.token_hex(8), 1, 2, is_host=False)
        backend = create_backend(params)
        state = bytes(size)
        token: Token | None = None

        def compare_and_set() -> None:
            nonlocal token
            written = backend.set_state(state, token)
            assert written is not None
            _, token, has_set = written
            assert has_set

        compare_and_set()

        try:
            return timed(backend.get_state if what == "get" else compare_and_set, count)
        finally:
            backend.close()


COMPARE_AND_SET = (
    "local there = redis.call('get', KEYS[1]) "
    "if there and string.sub(there, 1, 16) == ARGV[1] then redis.call('set', KEYS[1], ARGV[2]) return 1 end return 0"
)


class Redis(Contender):
    """Debian's redis-server; its compare-and-set is a script that compares a token of 16 bytes.

    The client is the smallest possible one in Python: RESP on a blocking socket.
    """

    name = "redis"

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._script = self._ask(b"SCRIPT", b"LOAD", COMPARE_AND_SET.encode())

    def _ask(self, *words: bytes) -> bytes:
        parts = [b"*%d\r\n" % len(words)]
        for word in words:
            parts += [b"$%d\r\n" % len(word), word, b"\r\n"]
        self._socket.sendall(b"".join(parts))
        data = self._socket.recv(1 << 16)
        if data[:1] != b"$":
            if data[:1] == b"-":
                raise RuntimeError(f"redis: {data!r}")
            return data[1:-2]
        head, _, rest = data.partition(b"\r\n")
        size = int(head[1:])
        pieces, got = [rest], len(rest)
        while got < size + 2:
            pieces.append(self._socket.recv(1 << 18))
            got += len(pieces[-1])
        return b"".join(pieces)[:-2]

    def times(self, what: str, size: int, count: int) -> list[float]:
        key, token, state = secrets.token_bytes(8), secrets.token_bytes(16), bytes(size)
        self._ask(b"SET", key, token + state)

        def compare_and_set() -> None:
            nonlocal token
            new = secrets.token_bytes(16)
            assert self._ask(b"EVALSHA", self._script, b"1", key, token, new + state) == b"1"
            token = new

        try:
            return timed((lambda: self._ask(b"GET", key)) if what == "get" else compare_and_set, count)
        finally:
            self._ask(b"DEL", key)


class Torch(Contender):
    """`C10dRendezvousBackend` on a `TCPStore` whose server is a third process, in another interpreter."""

    name = "torch"

    def __init__(self, ask: Callable[[str], str]) -> None:
        self._ask = ask

    def times(self, what: str, size: int, count: int) -> list[float]:
        times: list[float] = json.loads(self._ask(f"{what} {size} {count}"))
        return times


@contextlib.contextmanager
def contenders(server_cpu: int) -> Iterator[list[Contender]]:
    """Start all that can be measured here; the ping-pong comes first, then this backend.

    The servers run on a separate processor (or, with 0, on that of the clients). Where the system would put them makes
    a greater difference than what they do, and changes from moment to moment.
    """
    with contextlib.ExitStack() as stack:
        found: list[Contender] = []
        with on_cpu(server_cpu):
            echo = stack.enter_context(child(sys.executable, "-c", ECHO))
            _, endpoint = stack.enter_context(rdzv_server())
            torch_port = _serve_torch(stack)
            redis_port = _serve_redis(stack)
        stack.enter_context(on_cpu(0))
        found += [PingPong(int(echo.hear())), Rdzv(endpoint)]
        if torch_port:
            client = stack.enter_context(child(os.environ["PEER_PYTHON"], TORCH_PEER, "measure", torch_port))

            def ask(line: str) -> str:
                client.tell(line)
                return client.hear()

            found.append(Torch(ask))
        if redis_port:
            found.append(Redis(redis_port))
        yield found


TORCH_PEER = str(Path(__file__).with_name("_torch_peer.py"))


def _serve_torch(stack: contextlib.ExitStack) -> str:
    peer = os.environ.get("PEER_PYTHON")
    return stack.enter_context(child(peer, TORCH_PEER, "serve")).hear() if peer else ""


def _serve_redis(stack: contextlib.ExitStack) -> int:
    redis = shutil.which("redis-server")
    if redis is None:
        return 0
    port = _free_port()
    quietly = ("--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no")
    server = stack.enter_context(child(redis, *quietly))
    while "eady to accept connections" not in server.hear():
        pass
    return port


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def compare(found: list[Contender], what: str, size: int, count: int, turns: int) -> dict[str, float]:
    """Return the median of each contender in seconds. They take turns, so that a busy moment hits all of them."""
    times: dict[str, list[float]] = {contender.name: [] for contender in found}
    for _ in range(turns):
        for contender in found:
            times[contender.name].append(statistics.median(contender.times(what, size, count // turns)))
    return {name: statistics.median(medians) for name, medians in times.items()}
