"""How long N nodes take to meet when all start at once: with rdzv, and with torch if PEER_PYTHON has it.

    python benchmarks/rendezvous.py --nodes 64,256,512,1000 --processes 8 --backend tcp [--json] [--plot docs/scale.svg]

Before the clock starts, all handlers are connected and have a thread each; min_nodes = max_nodes = N. The clock stops
when the last node has its rank. The cost for the store is counted in a separate meeting that is not timed. Everything
runs on loopback and ends by itself. Backends, and torch, take turns, so that all have the same machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a script
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks._processes import allow_many_files
from benchmarks._run import nodes, shares, torch_nodes
from benchmarks._stores import store_of

MEMBERSHIP_WRITES = ("Enter", "Update", "Refresh", "Leave")
NATIVE = frozenset({"tcp", "file", "file-directory"})
FALLBACK_AT_MOST = 256
"""On stores without membership every node reads and writes registers; with more nodes that takes minutes."""

TORCH_AT_MOST = 128
"""With more nodes torch takes minutes, or does not finish in 300 s; --torch-nodes raises this."""


def meeting(backend: str, endpoint: str, counts: list[int]) -> float:
    """Return the seconds that a run of so many nodes takes to meet."""
    with nodes(backend.partition("-")[0], endpoint, counts) as run:
        return run.meet()


def costs(backend: str, endpoint: str, counts: list[int]) -> dict[str, float]:
    """Return what a round costs the store: register writes, and per node membership writes and calls of all kinds."""
    with nodes(backend.partition("-")[0], endpoint, counts, counting=True) as run:
        run.meet()
        calls, total = run.calls(), sum(counts)
    return {
        "register_writes": calls["register written"],
        "register_writes_refused": calls["register write refused"],
        "membership_writes_per_node": round(sum(calls[kind] for kind in MEMBERSHIP_WRITES) / total, 2),
        "calls_per_node": round(sum(calls.values()) / total, 2),
    }


def torch_meeting(python: str, counts: list[int]) -> float | None:
    """Return the seconds that PyTorch's rendezvous takes for the same; None if more than 300."""
    with torch_nodes(python, 29500 + os.getpid() % 400, counts) as run:
        try:
            return run.meet()
        except RuntimeError as error:
            print(f"torch, {sum(counts)} nodes: {error}", file=sys.stderr)
            return None


def measure(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure every backend with every number of nodes; return a row for each."""
    rows = []
    python = os.environ.get("PEER_PYTHON")
    for total in map(int, given.nodes.split(",")):
        counts = shares(total, given.processes)
        times: dict[str, list[float]] = {}
        backends = [one for one in given.backend.split(",") if one in NATIVE or total <= given.fallback_nodes]
        for _ in range(given.turns):
            for backend in backends:
                with store_of(backend) as endpoint:
                    times.setdefault(backend, []).append(meeting(backend, endpoint, counts))
        torch = torch_meeting(python, counts) if python and total <= given.torch_nodes else None
        for backend, seconds in times.items():
            row: dict[str, Any] = {"nodes": total, "backend": backend, "seconds": round(statistics.median(seconds), 3)}
            row |= {"best": round(min(seconds), 3), "worst": round(max(seconds), 3)}
            with store_of(backend) as endpoint:
                row |= costs(backend, endpoint, counts)
            if torch is not None:
                row |= {"torch_seconds": round(torch, 3), "ratio": round(torch / row["seconds"], 1)}
            rows.append(row)
            if not given.json:
                print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return rows


def main() -> None:
    """Print a line for each number of nodes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", default="64,256,512,1000", help="number of nodes; several with commas")
    parser.add_argument("--processes", type=int, default=8, help="number of processes that run them")
    parser.add_argument("--backend", default="tcp", help="tcp, file, file-directory, etcd or sqlite; or several")
    parser.add_argument("--turns", type=int, default=3, help="number of measurements; the median counts")
    parser.add_argument(
        "--fallback-nodes",
        type=int,
        default=FALLBACK_AT_MOST,
        help="the greatest number of nodes for stores without membership",
    )
    parser.add_argument("--torch-nodes", type=int, default=TORCH_AT_MOST, help="the greatest number of nodes for torch")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--plot", metavar="FILE", help="also draw the time by number of nodes (needs matplotlib)")
    given = parser.parse_args()
    allow_many_files()
    rows = measure(given)
    if given.json:
        print(json.dumps(rows, indent=2))
    if given.plot:
        from benchmarks._plot import draw

        draw(rows, Path(given.plot), " ".join(["python", "benchmarks/rendezvous.py", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
