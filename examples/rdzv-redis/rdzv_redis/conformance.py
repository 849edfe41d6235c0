"""What the conformance suite may do to a Redis server; found by an entry point."""

import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any

import redis

from rdzv_core import RendezvousParameters
from rdzv_core.endpoint import parse_endpoint
from rdzv_redis._register import PASSWORD, PORT, USERNAME

START_SECONDS = 30.0


def corrupt(params: RendezvousParameters) -> None:
    """Put something else into a run's register, behind the backend's back."""
    with _client(params) as client:
        client.set(params.key, b"something else")


@contextmanager
def truncated(params: RendezvousParameters) -> Iterator[None]:
    """Cut a register to 0 bytes, and put it back."""
    with _client(params) as client:
        whole = client.get(params.key) or b""
        client.set(params.key, b"")
        yield
        client.set(params.key, whole)


def lose_members(params: RendezvousParameters) -> None:
    """Delete what is kept of a run's members."""
    run = params.for_purpose("").key
    with _client(params) as client:
        client.delete(f"{run}:members", f"{run}:members:order", f"{run}:members:ends")


def keys(params: RendezvousParameters) -> list[str]:
    """List the registers; members and stores are kept beside them."""
    with _client(params) as client:
        return [key.decode() for key in client.scan_iter("rdzv.*", 1000) if b":" not in key]


@contextmanager
def own_store(sandbox: Any) -> Iterator["OwnStore"]:
    """Start a server for the suite alone; `sandbox` is a `rdzv_conformance.Sandbox`."""
    if shutil.which("redis-server") is None:
        raise OSError("redis-server is not installed: `apt install redis-server`, or give --endpoint")
    store = OwnStore(sandbox)
    try:
        yield store
    finally:
        store.server.kill()


class OwnStore:
    """A server that writes each command to the disk before it answers. Its methods are helpers of the suite."""

    what = "redis-server with appendonly yes, appendfsync always"
    options: Mapping[str, Any] = {"durable": True}

    def __init__(self, sandbox: Any) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.endpoint = f"127.0.0.1:{self._port}"
        self._directory = sandbox.directory / "data"
        self._directory.mkdir()
        always = ("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--loglevel", "notice")
        where = ("--bind", "127.0.0.1", "--port", str(self._port), "--dir", str(self._directory))
        self.server = sandbox.service(["redis-server", *where, *always])
        self._start()

    def restart(self) -> None:
        """Kill the server and start it again with its data."""
        self.server.kill()
        self._start()

    def restart_without_data(self) -> None:
        """Kill the server and start it again with none."""
        self.server.kill()
        shutil.rmtree(self._directory)
        self._directory.mkdir()
        self._start()

    def pause(self) -> None:
        """Let it answer nothing."""
        self.server.pause()

    def resume(self) -> None:
        """Let it answer again."""
        self.server.resume()

    def _start(self) -> None:
        self.server.start()  # returns with its first line; it serves a moment later
        until = time.monotonic() + START_SECONDS
        with closing(redis.Redis("127.0.0.1", self._port)) as client:
            while time.monotonic() < until:
                with suppress(redis.RedisError):
                    client.ping()
                    return
                time.sleep(0.02)
        raise OSError(f"redis-server at {self.endpoint} did not answer within {START_SECONDS:.0f} s")


@contextmanager
def _client(params: RendezvousParameters) -> Iterator["redis.Redis"]:
    host, port = parse_endpoint(params.endpoint, PORT)
    user, password = USERNAME.optional(params), PASSWORD.optional(params)
    with closing(redis.Redis(host, port, username=user, password=password)) as client:
        yield client
