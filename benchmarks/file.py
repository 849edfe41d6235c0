"""What a call on the file store costs, beside PyTorch's FileStore, and what nodes cost that only wait.

    python benchmarks/file.py [--where DIRECTORY] [--turns 5] [--seconds 20] [--json]

A read of an unchanged state of 200 bytes, and a compare-and-set of 200 bytes and of 1 MiB without fsync, in a directory
and in one file. With PEER_PYTHON `FileStore.get` takes turns with the first, and with the others PyTorch's
`C10dRendezvousBackend.set_state` on a FileStore, and FileStore's own `compare_set` and `set`. Ratios are to the first
of these, and `raw_ratio` is to `compare_set`. Then 100 threads wait for a change that does not come, and their
process's time is counted. Medians. Linux.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a script
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks._processes import child
from rdzv_core import RendezvousParameters, SupportsWatch, Token, create_backend

CALLS = (("get", 200, 2000), ("cas", 200, 200), ("cas", 1 << 20, 40))
RAW = ("compare_set", "set")
WAITERS = 100
SETTLE = 5.0
PEER = str(Path(__file__).with_name("_file_peer.py"))

Measure = Callable[[str, int, int], list[float]]


def times_of(endpoint: str) -> Measure:
    """Return what measures the calls of the file store at an endpoint."""

    def measure(what: str, size: int, count: int) -> list[float]:
        params = RendezvousParameters("file", endpoint, f"run-{size}", 1, 2, fsync=False)
        with contextlib.closing(create_backend(params)) as backend:
            found = backend.get_state() or backend.set_state(bytes(size))
            assert found is not None
            token = found[1]
            times = []
            for turn in range(count):
                state = turn.to_bytes(8, "big") + bytes(size - 8)
                began = time.perf_counter()
                if what == "get":
                    backend.get_state()
                else:
                    written = backend.set_state(state, token)
                    assert written is not None
                    token = written[1]
                times.append(time.perf_counter() - began)
            return times

    return measure


def compare(where: str, turns: int) -> list[dict[str, Any]]:
    """Return a row for each kind of call, in microseconds."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(dir=where, prefix="rdzv-benchmark-"))
        contenders = {"directory": times_of(f"{directory}/directory/"), "one_file": times_of(f"{directory}/file")}
        peer = os.environ.get("PEER_PYTHON")
        if peer:
            other = stack.enter_context(child(peer, PEER, directory))

            def ask(what: str, size: int, count: int) -> list[float]:
                other.tell(f"{what} {size} {count}")
                times: list[float] = json.loads(other.hear())
                return times

            contenders["torch_FileStore"] = ask
            for raw in RAW:
                contenders[f"torch_{raw}"] = lambda _, size, count, raw=raw: ask(raw, size, count)  # type: ignore[misc]
        return [_row(contenders, call, turns) for call in CALLS]


def _row(contenders: dict[str, Measure], call: tuple[str, int, int], turns: int) -> dict[str, Any]:
    medians: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(turns):
        for name, measure in contenders.items():
            if call[0] == "get" and name.removeprefix("torch_") in RAW:
                continue
            medians[name].append(statistics.median(measure(*call)) * 1e6)
    row: dict[str, Any] = {"call": call[0], "bytes": call[1]}
    row |= {f"{name}_us": round(statistics.median(values), 1) for name, values in medians.items() if values}
    for peer, ratio in (("torch_FileStore_us", "ratio"), ("torch_compare_set_us", "raw_ratio")):
        if peer in row:
            row |= {f"{name}_{ratio}": round(row[f"{name}_us"] / row[peer], 2) for name in ("directory", "one_file")}
    return row


def idle(where: str, seconds: float) -> dict[str, Any]:
    """Return how much of a processor 100 threads use that wait for a change which does not come."""
    with tempfile.TemporaryDirectory(dir=where, prefix="rdzv-benchmark-") as directory, contextlib.ExitStack() as stack:
        params = RendezvousParameters("file", directory, "run", 1, 2)
        backends = [stack.enter_context(contextlib.closing(create_backend(params))) for _ in range(WAITERS)]
        written = backends[0].set_state(b"x")
        assert written is not None
        threads = []
        for backend in backends:
            assert isinstance(backend, SupportsWatch)
            threads.append(threading.Thread(target=_wait, args=(backend, written[1])))
            threads[-1].start()
        time.sleep(SETTLE)
        began, used = time.monotonic(), time.process_time()
        time.sleep(seconds)
        share = (time.process_time() - used) / (time.monotonic() - began)
        backends[0].set_state(b"y", written[1])
        for thread in threads:
            thread.join()
        return {"waiters": WAITERS, "percent_of_a_processor": round(100 * share, 2)}


def _wait(backend: SupportsWatch, token: Token) -> None:
    changed, _ = backend.wait_state(token, 3600.0)
    assert changed


def main() -> None:
    """Print a line for each kind of call, and one for the waiters."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--where", default=tempfile.gettempdir(), help="a directory on the file system to measure")
    parser.add_argument("--turns", type=int, default=5, help="number of measurements of each; the median counts")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the waiters are watched")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    rows = [*compare(given.where, given.turns), idle(given.where, given.seconds)]
    if given.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
