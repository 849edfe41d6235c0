"""How long it takes to create a backend by name, and to import what it needs: `python -m benchmarks.create`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from benchmarks._stores import store_of
from rdzv_core import RendezvousParameters, create_backend

TIMES = 100


def main() -> None:
    """Print a line for each import and each backend."""
    for module in ("rdzv_core", "rdzv_core._handler"):
        print(f"import {module:<22} {1000 * statistics.median(_import(module) for _ in range(5)):8.1f} ms")
    with store_of("file") as file, store_of("tcp") as tcp:
        for backend, endpoint in {"memory": "here", "file": file, "tcp": tcp}.items():
            params = RendezvousParameters(backend, endpoint, "run", 1, 1)
            first, *later = [_create(params) for _ in range(TIMES + 1)]
            again = 1000 * statistics.median(later)
            print(f"create_backend {backend:<14} {again:8.2f} ms, the first time {1000 * first:.1f} ms")


def _create(params: RendezvousParameters) -> float:
    began = time.perf_counter()
    backend = create_backend(params)
    took = time.perf_counter() - began
    backend.close()
    return took


def _import(module: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    with_it = time.perf_counter()
    subprocess.run([sys.executable, "-c", ""], check=True)
    return with_it - began - (time.perf_counter() - with_it)


if __name__ == "__main__":
    main()
