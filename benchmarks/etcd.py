"""What a job costs its etcd while its nodes meet, and while nothing happens.

    python benchmarks/etcd.py [--nodes 100] [--processes 8] [--idle 60] [--turns 1] [--json]

The time to meet is that of `rendezvous.py`: from when all ask until the last has its rank. Then all nodes hold their
round and nothing is done for `--idle` seconds. Requests are those that etcd itself counts (`/metrics`); a watch is one
for as long as it stands. Each turn has a new etcd. Everything runs on loopback. Linux.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

if __package__ in (None, ""):  # started as a script
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from rdzv_etcd import EtcdServer

from benchmarks._processes import allow_many_files, cpu_seconds
from benchmarks._run import Run, nodes, shares

SETTLE_SECONDS = 5.0
"""How long after the meeting nothing is measured."""


class Counts(NamedTuple):
    """What was counted up to a moment."""

    at: float
    etcd_cpu: float
    client_cpu: float
    requests: float
    revision: int


def requests_of(server: EtcdServer) -> float:
    """Return how many requests etcd has been sent so far."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{server.get_endpoint()}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    return sum(float(count) for count in re.findall(r"^grpc_server_started_total\{.*\} (\S+)$", text, re.MULTILINE))


def look(server: EtcdServer, run: Run) -> Counts:
    """Count."""
    revision = server.get_client().read(b"x").revision
    clients = sum(cpu_seconds(child.process.pid) for child in run.children)
    return Counts(time.monotonic(), cpu_seconds(server.pid), clients, requests_of(server), revision)


def measure(total: int, processes: int, idle: float) -> dict[str, float]:
    """Let so many nodes meet on a new etcd, then hold their round for `idle` seconds; return the figures."""
    with tempfile.TemporaryFile() as log, EtcdServer() as server:
        server.stop()
        server.start(stderr=log)
        with nodes("etcd", server.get_endpoint(), shares(total, processes)) as run:
            before = look(server, run)
            seconds = run.meet()
            met = look(server, run)
            row: dict[str, float] = {
                "meet_seconds": round(seconds, 2),
                "meet_requests_per_node": round((met.requests - before.requests) / total, 1),
                "meet_etcd_cpu_seconds": round(met.etcd_cpu - before.etcd_cpu, 2),
                "meet_revisions_per_node": round((met.revision - before.revision) / total, 2),
            }
            if idle:
                time.sleep(SETTLE_SECONDS)
                began = look(server, run)
                time.sleep(idle)
                ended = look(server, run)
                took = ended.at - began.at
                row |= {
                    "idle_requests_per_second": round((ended.requests - began.requests) / took, 1),
                    "idle_etcd_cpu_percent": round(100 * (ended.etcd_cpu - began.etcd_cpu) / took, 2),
                    "idle_client_cpu_percent": round(100 * (ended.client_cpu - began.client_cpu) / took, 2),
                    "idle_revisions_per_minute": round(60 * (ended.revision - began.revision) / took, 1),
                }
    return row


def main() -> None:
    """Print a line for each number of nodes; the figures are medians of the turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", default="100", help="number of nodes; several with commas")
    parser.add_argument("--processes", type=int, default=8, help="number of processes that run them")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds to hold the round; 0: only meet")
    parser.add_argument("--turns", type=int, default=1, help="number of measurements; the median counts")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    allow_many_files()
    rows: list[dict[str, Any]] = []
    for total in map(int, given.nodes.split(",")):
        turns = [measure(total, given.processes, given.idle) for _ in range(given.turns)]
        rows.append({"nodes": total} | {key: statistics.median(turn[key] for turn in turns) for key in turns[0]})
        if not given.json:
            print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    if given.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
