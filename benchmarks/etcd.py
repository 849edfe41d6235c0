"""What a job costs its etcd while its nodes meet, while nothing happens, and when a node dies.

    python benchmarks/etcd.py [--nodes 100] [--processes 8] [--idle 60] [--turns 1] [--killed 0] [--json]
    python benchmarks/etcd.py --nodes 100 --quota 64MiB --minutes 60

meet    from when all ask until the last has its rank, as in `rendezvous.py`
idle    all nodes hold their round, and nothing is done for `--idle` seconds
killed  one of so many nodes is killed, at a random moment between two keep-alives: from its SIGKILL until the others
        have the next roster, which takes the ttl (15 s), the fence delay (5 s) and a last call of 0.2 s
quota   all nodes hold their round for so many minutes, on an etcd that takes no write once its database is that large
        and never compacts what is old; a line each five minutes, and at the end a write

Requests are those that etcd itself counts (`/metrics`); a watch is one for as long as it stands. Each turn has a new
etcd. Everything runs on loopback. Linux.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

if __package__ in (None, ""):  # started as a script
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from rdzv_etcd import EtcdServer

from benchmarks._processes import allow_many_files, cpu_seconds
from benchmarks._run import PATIENCE, Run, nodes, shares
from benchmarks.elastic import INTERVAL, LAST_CALL, kill_one, with_a_victim

SETTLE_SECONDS = 5.0
"""How long after the meeting nothing is measured."""
REPORT_SECONDS = 300.0
MEBI = 1 << 20


class Counts(NamedTuple):
    """What was counted up to a moment."""

    at: float
    etcd_cpu: float
    client_cpu: float
    requests: float
    revision: int


def metrics(server: EtcdServer) -> str:
    """Return what etcd tells of itself."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{server.get_endpoint()}/metrics", timeout=20) as answer:
        return str(answer.read().decode())


def total_of(text: str, name: str) -> float:
    """Return the sum of a metric's values."""
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE))


def look(server: EtcdServer, run: Run) -> Counts:
    """Count."""
    revision = server.get_client().read(b"x").revision
    clients = sum(cpu_seconds(child.process.pid) for child in run.children)
    requests = total_of(metrics(server), "grpc_server_started_total")
    return Counts(time.monotonic(), cpu_seconds(server.pid), clients, requests, revision)


def idle_costs(began: Counts, ended: Counts) -> dict[str, float]:
    """Return what was used between two moments in which nothing was done."""
    took = ended.at - began.at
    return {
        "idle_requests_per_second": round((ended.requests - began.requests) / took, 1),
        "idle_etcd_cpu_percent": round(100 * (ended.etcd_cpu - began.etcd_cpu) / took, 2),
        "idle_client_cpu_percent": round(100 * (ended.client_cpu - began.client_cpu) / took, 2),
        "idle_revisions_per_minute": round(60 * (ended.revision - began.revision) / took, 1),
    }


class Etcd:
    """An etcd whose log is thrown away."""

    def __init__(self, flags: Sequence[str] = ()) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
        self.server = EtcdServer(flags=flags)

    def __enter__(self) -> EtcdServer:
        self.server.start(stderr=self._log)
        return self.server

    def __exit__(self, *_: object) -> None:
        self.server.stop()
        self._log.close()


def measure(total: int, processes: int, idle: float) -> dict[str, float]:
    """Let so many nodes meet on a new etcd, then hold their round for `idle` seconds; return the figures."""
    with Etcd() as server, nodes("etcd", server.get_endpoint(), shares(total, processes)) as run:
        before = look(server, run)
        seconds = run.meet()
        met = look(server, run)
        row: dict[str, float] = {
            "meet_seconds": round(seconds, 2),
            "meet_requests_per_node": round((met.requests - before.requests) / total, 1),
            "meet_etcd_cpu_seconds": round(met.etcd_cpu - before.etcd_cpu, 2),
            "meet_client_cpu_seconds": round(met.client_cpu - before.client_cpu, 2),
            "meet_revisions_per_node": round((met.revision - before.revision) / total, 2),
        }
        if idle:
            time.sleep(SETTLE_SECONDS)
            began = look(server, run)
            time.sleep(idle)
            row |= idle_costs(began, look(server, run))
    return row


def killed(total: int, processes: int) -> float:
    """Return how many seconds it takes until the others have a roster without the one that was killed."""
    counts, options = with_a_victim(total, processes), {"last_call_timeout": LAST_CALL}
    with Etcd() as server, nodes("etcd", server.get_endpoint(), counts, least=total - 1, options=options) as run:
        run.meet()
        time.sleep(SETTLE_SECONDS + random.uniform(0, INTERVAL))
        at = kill_one(run)
        run.all("change")
        return round(run.meet_at() - at, 2)


def hold(total: int, processes: int, quota: int, minutes: float) -> None:
    """Hold a round on an etcd with a quota, and print how large its database has become."""
    flags = [f"--quota-backend-bytes={quota}", "--auto-compaction-retention=0"]
    patience = PATIENCE + 60 * minutes
    with (
        Etcd(flags) as server,
        nodes("etcd", server.get_endpoint(), shares(total, processes), patience=patience) as run,
    ):
        print(f"nodes {total}  meet_seconds {run.meet():.2f}", flush=True)
        time.sleep(SETTLE_SECONDS)
        began = before = look(server, run)
        while before.at - began.at < 60 * minutes - 1:
            time.sleep(min(REPORT_SECONDS, 60 * minutes - (before.at - began.at)))
            now, text = look(server, run), metrics(server)
            row = idle_costs(before, now) | {"database_mib": total_of(text, "etcd_mvcc_db_total_size_in_bytes") / MEBI}
            minute = round((now.at - began.at) / 60, 1)
            print(f"minute {minute}  " + "  ".join(f"{key} {value:g}" for key, value in row.items()), flush=True)
            before = now
        server.get_client().put(b"/rdzv/healthy", b"yes")
        print("a write succeeds, and all nodes live:", all(child.process.poll() is None for child in run.children))


def size(text: str) -> int:
    """Parse a number of bytes, or of MiB."""
    return int(text.removesuffix("MiB")) * (MEBI if text.endswith("MiB") else 1)


def main() -> None:
    """Print a line for each number of nodes; the figures are medians of the turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", default="100", help="number of nodes; several with commas")
    parser.add_argument("--processes", type=int, default=8, help="number of processes that run them")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds to hold the round; 0: only meet")
    parser.add_argument("--turns", type=int, default=1, help="number of measurements; the median counts")
    parser.add_argument("--killed", type=int, default=0, help="number of nodes of which one is killed; 0: none is")
    parser.add_argument("--quota", type=size, default=0, help="of etcd's database, as in 64MiB; with --minutes only")
    parser.add_argument("--minutes", type=float, default=0.0, help="minutes to hold the round on an etcd with --quota")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    allow_many_files()
    totals = list(map(int, filter(None, given.nodes.split(","))))
    if given.minutes:
        return hold(totals[0], given.processes, given.quota, given.minutes)
    rows: list[dict[str, Any]] = []
    for total in totals:
        turns = [measure(total, given.processes, given.idle) for _ in range(given.turns)]
        rows.append({"nodes": total} | {key: statistics.median(turn[key] for turn in turns) for key in turns[0]})
        if not given.json:
            show(rows[-1])
    if given.killed:
        seconds = [killed(given.killed, given.processes) for _ in range(given.turns)]
        rows.append({"nodes": given.killed, "killed_seconds": statistics.median(seconds), "longest": max(seconds)})
        if not given.json:
            show(rows[-1])
    if given.json:
        print(json.dumps(rows, indent=2))
    return None


def show(row: dict[str, Any]) -> None:
    """Print a line."""
    print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)


if __name__ == "__main__":
    main()
