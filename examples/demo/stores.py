"""A store of each kind, for the demo, the chaos test and the benchmarks: a temporary server, or a path."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from rdzv_core._cli.node.watchdog import die_with_parent


@contextmanager
def _file(directory: Path) -> Iterator[str]:
    yield str(directory / "rdzv")


@contextmanager
def _sqlite(directory: Path) -> Iterator[str]:
    yield str(directory / "rdzv.db")


@contextmanager
def _tcp(directory: Path) -> Iterator[str]:
    """Run `rdzv serve`, so that the store outlives any node."""
    with (
        (directory / "serve.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "rdzv_core", "serve", "--endpoint", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            preexec_fn=die_with_parent,
        ) as server,
    ):
        try:
            assert server.stdout is not None
            endpoint = server.stdout.readline().strip()
            if not endpoint:
                raise RuntimeError(f"`rdzv serve` did not start: {(directory / 'serve.log').read_text().strip()}")
            yield endpoint
        finally:
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


STORES: dict[str, Callable[[Path], AbstractContextManager[str]]] = {
    "tcp": _tcp,
    "file": _file,
    "etcd": _etcd,
    "sqlite": _sqlite,
}
"""By backend: a context manager that takes a directory for its files, and yields the endpoint."""
