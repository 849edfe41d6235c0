"""How long 10,000 nodes take to meet when they are only the protocol, and what their tcp server uses.

    python benchmarks/clients.py [--clients 10000] [--processes 4] [--json]

Each has the library's state machine and its own connection. They run on asyncio, so that a few processes can hold them
all. The clock starts when all are connected, and stops when the last one has its rank. Linux.
"""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a script
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks._processes import allow_many_files, cpu_seconds, peak_rss, rdzv_server
from benchmarks._run import shares, started


def measure(clients: int, processes: int) -> dict[str, Any]:
    """Let them meet once; return the figures."""
    counts, run_id = shares(clients, processes), uuid.uuid4().hex
    with rdzv_server() as (server, endpoint):
        commands = [
            (sys.executable, "-m", "benchmarks._clients", endpoint, run_id, str(clients), str(first), str(count))
            for first, count in zip([sum(counts[:place]) for place in range(len(counts))], counts, strict=True)
        ]
        with started(commands, run_id) as run:
            before = cpu_seconds(server.pid)
            seconds = run.meet()
            used = cpu_seconds(server.pid) - before
            return {
                "clients": clients,
                "seconds": round(seconds, 2),
                "server_cpu_seconds": round(used, 2),
                "server_peak_mib": round(peak_rss(server.pid) / 2**20, 1),
            }


def main() -> None:
    """Measure, and print a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=10_000, help="number of nodes")
    parser.add_argument("--processes", type=int, default=4, help="number of processes that run them")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    allow_many_files()
    row = measure(given.clients, given.processes)
    print(json.dumps(row, indent=2) if given.json else "  ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
