"""The stores that the benchmarks use, each a real one of its own."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks._processes import rdzv_server

BACKENDS = ("tcp", "file", "etcd", "sqlite")


@contextlib.contextmanager
def store_of(backend: str) -> Iterator[str]:
    """Start what a backend needs; gives its endpoint."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rdzv-benchmark-"))
        if backend == "tcp":
            yield stack.enter_context(rdzv_server())[1]
        elif backend == "etcd":
            from rdzv_etcd import EtcdServer

            server = EtcdServer(data_dir=folder)
            server.start()
            stack.callback(server.stop)
            yield server.get_endpoint()
        elif backend in BACKENDS:
            yield str(Path(folder) / "store")
        else:
            raise SystemExit(f"no store for {backend!r} here: it is one of {', '.join(BACKENDS)}")
