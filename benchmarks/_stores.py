"""The stores of the benchmarks: real ones, a new one each time."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from examples.demo.stores import STORES


@contextlib.contextmanager
def store_of(backend: str) -> Iterator[str]:
    """Start the store of a backend; yield its endpoint. "file-directory" is the file store in a directory."""
    if backend == "file-directory":
        with tempfile.TemporaryDirectory(prefix="rdzv-benchmark-") as folder:
            yield f"{folder}/"
        return
    if backend not in STORES:
        raise SystemExit(f"no store for {backend!r} here: it is one of {', '.join(STORES)}")
    with tempfile.TemporaryDirectory(prefix="rdzv-benchmark-") as folder, STORES[backend](Path(folder)) as endpoint:
        yield endpoint
