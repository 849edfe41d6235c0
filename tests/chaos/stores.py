"""A store for the nodes under chaos: one that outlives every node, and ends with this process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rdzv_core.cli.node.guard import die_with_parent

BACKENDS = ("tcp", "file", "etcd", "sqlite")


@contextmanager
def served(backend: str, directory: Path) -> Iterator[str]:
    """Give the endpoint of a store of that kind."""
    if backend == "tcp":
        with _tcp(directory) as endpoint:
            yield endpoint
    elif backend == "etcd":
        with _etcd(directory) as endpoint:
            yield endpoint
    else:
        yield str(directory / f"store.{backend}")


@contextmanager
def _tcp(directory: Path) -> Iterator[str]:
    with (directory / "serve.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "rdzv_core", "serve", "--endpoint", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            preexec_fn=die_with_parent,
        )
        with server:
            assert server.stdout is not None
            endpoint = server.stdout.readline().strip()
            if not endpoint:
                raise RuntimeError(f"`rdzv serve` did not start: {(directory / 'serve.log').read_text().strip()}")
            yield endpoint
            server.terminate()


@contextmanager
def _etcd(directory: Path) -> Iterator[str]:
    from rdzv_etcd import EtcdServer

    with (directory / "etcd.log").open("w") as log:
        server = EtcdServer()
        server.start(stderr=log)
        try:
            yield server.get_endpoint()
        finally:
            server.stop()
