"""How long N nodes take to meet, all started at once: ours, and PyTorch's beside it where PEER_PYTHON has it.

    python benchmarks/rendezvous.py --nodes 64,256,512,1000 --processes 8 --backend tcp [--json] [--plot docs/scale.svg]

Handlers are made, are connected, and have a thread each, before the clock starts; min_nodes = max_nodes = N. The clock
stops when the last node holds its rank. What it costs the store is counted in a meeting of its own, which is not
timed. Everything runs on loopback and ends by itself. Several backends, and torch, take turns, so that they have the
same machine.
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
FALLBACK_AT_MOST = 256
"""On stores without memberships of their own every node reads and writes registers, which with more takes minutes."""

TORCH_AT_MOST = 128
"""With more nodes torch takes minutes, or does not finish in 300 s: say so with --torch-nodes to see it."""


def meeting(backend: str, endpoint: str, counts: list[int]) -> float:
    """Give the seconds in which a run of so many nodes meets."""
    with nodes(backend, endpoint, counts) as run:
        return run.meet()


def costs(backend: str, endpoint: str, counts: list[int]) -> dict[str, float]:
    """Give what a round costs the store: register writes, and per node membership writes and calls of all kinds."""
    with nodes(backend, endpoint, counts, counting=True) as run:
        run.meet()
        calls, total = run.calls(), sum(counts)
    return {
        "register_writes": calls["register written"],
        "register_writes_refused": calls["register write refused"],
        "membership_writes_per_node": round(sum(calls[kind] for kind in MEMBERSHIP_WRITES) / total, 2),
        "calls_per_node": round(sum(calls.values()) / total, 2),
    }


def torch_meeting(python: str, counts: list[int]) -> float | None:
    """Give the seconds in which PyTorch's rendezvous does the same; None if it does not in 300 s."""
    with torch_nodes(python, 29500 + os.getpid() % 400, counts) as run:
        try:
            return run.meet()
        except RuntimeError as error:
            print(f"torch, {sum(counts)} nodes: {error}", file=sys.stderr)
            return None


def measure(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure every backend at every number of nodes; gives a row for each."""
    rows = []
    python = os.environ.get("PEER_PYTHON")
    for total in map(int, given.nodes.split(",")):
        counts = shares(total, given.processes)
        times: dict[str, list[float]] = {}
        backends = [one for one in given.backend.split(",") if one == "tcp" or total <= given.fallback_nodes]
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
    parser.add_argument("--nodes", default="64,256,512,1000", help="how many, several with commas")
    parser.add_argument("--processes", type=int, default=8, help="over how many processes they are spread")
    parser.add_argument("--backend", default="tcp", help="tcp, file, etcd or sqlite; several with commas")
    parser.add_argument("--turns", type=int, default=3, help="how often each is measured; the median counts")
    parser.add_argument(
        "--fallback-nodes",
        type=int,
        default=FALLBACK_AT_MOST,
        help="the most nodes to measure other stores than tcp with",
    )
    parser.add_argument("--torch-nodes", type=int, default=TORCH_AT_MOST, help="the most nodes to measure torch with")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", metavar="FILE", help="also draw time over nodes (needs matplotlib)")
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
