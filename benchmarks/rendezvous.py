"""How long N nodes take to meet when all start at once: with rdzv, and with torch if PEER_PYTHON has it.

    python benchmarks/rendezvous.py --nodes 64,256,512,1000 --processes 8 --backend tcp [--json] [--plot docs/scale.svg]
    python benchmarks/rendezvous.py --nodes 64 --backend mystore --endpoint db.example:1234 --option user=me
    python benchmarks/rendezvous.py --nodes 64 --backend redis,redis-two-methods

With `-two-methods` behind its name a backend's capabilities are hidden, so that core's fallbacks do the rest; what
these ask of the store is then counted as well.

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
from benchmarks._stores import BY_ITSELF, store_of
from benchmarks._two_methods import ASKED

MEMBERSHIP_WRITES = ("Enter", "Update", "Refresh", "Leave")
AT_MOST = dict.fromkeys(("tcp", "file", "file-directory", "etcd"), 10_000)
"""On most other stores each further node costs the disk, or other nodes' turns: --fallback-nodes is their limit."""
FALLBACK_AT_MOST = 256

TORCH_AT_MOST = 128
"""With more nodes torch takes minutes, or does not finish in 300 s; --torch-nodes raises this."""


def name_of(backend: str) -> str:
    """Return the name by which rdzv knows a backend."""
    return "file" if backend == "file-directory" else backend


def meeting(backend: str, endpoint: str, counts: list[int], options: dict[str, str]) -> float:
    """Return the seconds that a run of so many nodes takes to meet."""
    with nodes(name_of(backend), endpoint, counts, options=options) as run:
        return run.meet()


def costs(backend: str, endpoint: str, counts: list[int], options: dict[str, str]) -> dict[str, float]:
    """Return what a round costs the store: register writes, and per node membership writes and calls of all kinds."""
    with nodes(name_of(backend), endpoint, counts, counting=True, options=options) as run:
        run.meet()
        calls, total = run.calls(), sum(counts)
    asked = {f"{what.replace(' ', '_')}_per_node": round(calls.pop(what) / total, 2) for what in ASKED if what in calls}
    return asked | {
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
        backends = [one for one in given.backend.split(",") if total <= max(given.fallback_nodes, AT_MOST.get(one, 0))]
        for _ in range(given.turns):
            for backend in backends:
                with store_of(backend, given.endpoint) as endpoint:
                    times.setdefault(backend, []).append(meeting(backend, endpoint, counts, given.option))
        torch = torch_meeting(python, counts) if python and total <= given.torch_nodes else None
        for backend, seconds in times.items():
            row: dict[str, Any] = {"nodes": total, "backend": backend, "seconds": round(statistics.median(seconds), 3)}
            row |= {"best": round(min(seconds), 3), "worst": round(max(seconds), 3)}
            with store_of(backend, given.endpoint) as endpoint:
                row |= costs(backend, endpoint, counts, given.option)
            if torch is not None:
                row |= {"torch_seconds": round(torch, 3), "ratio": round(torch / row["seconds"], 1)}
            rows.append(row)
            if not given.json:
                print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return rows


def read_options(parser: argparse.ArgumentParser, given: argparse.Namespace) -> dict[str, str]:
    """Return the options of the backend; a mistake in what was given ends the program."""
    if given.endpoint and "," in given.backend:
        parser.error(f"--endpoint {given.endpoint} is that of one backend, and --backend names {given.backend}")
    if malformed := [each for each in given.option if "=" not in each]:
        parser.error(f"--option {malformed[0]!r} is not NAME=VALUE")
    return dict(each.split("=", 1) for each in given.option)


def main() -> None:
    """Print a line for each number of nodes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", default="64,256,512,1000", help="number of nodes; several with commas")
    parser.add_argument("--processes", type=int, default=8, help="number of processes that run them")
    parser.add_argument("--backend", default="tcp", help=f"{', '.join(BY_ITSELF)}, or any installed one; or several")
    parser.add_argument("--endpoint", default="", help="the endpoint of one backend's store (default: one of its own)")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="an option of the backend")
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
    given.option = read_options(parser, given)
    allow_many_files()
    rows = measure(given)
    if given.json:
        print(json.dumps(rows, indent=2))
    if given.plot:
        from benchmarks._plot import draw

        draw(rows, Path(given.plot), " ".join(["python", "benchmarks/rendezvous.py", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
