"""The stores of the benchmarks: real ones, a new one each time."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks._two_methods import SUFFIX
from examples.demo.stores import STORES

BY_ITSELF = (*STORES, "file-directory", "redis")
"""Those whose store is started here; any other needs an endpoint."""


@contextlib.contextmanager
def store_of(backend: str, endpoint: str = "") -> Iterator[str]:
    """Start the store of a backend; yield its endpoint, or the one that is given. "file-directory" is one of files."""
    if endpoint:
        yield endpoint
        return
    backend = backend.removesuffix(SUFFIX)
    if backend not in BY_ITSELF:
        raise SystemExit(f"no store for {backend!r} is started here: give --endpoint, or one of {', '.join(BY_ITSELF)}")
    with tempfile.TemporaryDirectory(prefix="rdzv-benchmark-") as folder:
        if backend == "file-directory":
            yield f"{folder}/"
            return
        with _redis(folder) if backend == "redis" else STORES[backend](Path(folder)) as started:
            yield started


@contextlib.contextmanager
def _redis(folder: str) -> Iterator[str]:
    if shutil.which("redis-server") is None:
        raise SystemExit("redis-server is not installed: give --endpoint, or `apt install redis-server`")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            _await(port)
            yield f"127.0.0.1:{port}"
        finally:
            server.kill()


def _await(port: int) -> None:
    for _ in range(500):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise SystemExit(f"redis-server did not open port {port} within 10 s")
