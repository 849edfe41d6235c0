"""How soon all nodes know of a death, and what a run costs while nothing happens, on tcp.

    python benchmarks/elastic.py [--told 1000] [--killed 64] [--heartbeats 100,1000] [--processes 8] [--json]

told        one of N nodes is killed: the time from the end of its membership in the store until the last of the others
            knows
killed      one of N nodes is killed: the time from its SIGKILL until the others have the next roster, with a fence
            delay of 0 and of 1 s, and a last call of 0.2 s (another node might still come)
heartbeats  bytes on the wire, both ways, per node and keep-alive interval (5 s) of a run in which nothing happens
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a script
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks._processes import allow_many_files, child, rdzv_server
from benchmarks._run import Run, nodes, shares
from rdzv_core import RendezvousParameters, SupportsMembership, create_backend

INTERVAL = 5.0
LAST_CALL = 0.2
SETTLING_INTERVALS, MEASURED_INTERVALS = 4, 9


def with_a_victim(total: int, processes: int) -> list[int]:
    """Spread nodes over processes; the last process has only one."""
    return [*shares(total - 1, processes - 1), 1]


def kill_one(run: Run) -> float:
    """Kill the last process; return when."""
    victim = run.children.pop()
    killed = time.monotonic()
    victim.process.kill()
    return killed


def told(total: int, processes: int) -> dict[str, Any]:
    """Measure how long the news of a death takes to reach the last node."""
    with rdzv_server() as (_, endpoint), nodes("tcp", endpoint, with_a_victim(total, processes)) as run:
        run.meet()
        params = RendezvousParameters("tcp", endpoint, run.run_id, 1, 2, is_host=False)
        watching = create_backend(params)
        assert isinstance(watching, SupportsMembership)
        killed = kill_one(run)
        for one in run.children:
            one.tell("change")
        there = watching.members()
        while len(there.members) == total:
            watching.wait_members(there.version, 60.0)
            there = watching.members()
        known = time.monotonic()
        answers = [json.loads(one.hear()) for one in run.children]
        watching.close()
    last = max(float(answer["ended"]) for answer in answers)
    reasons = sorted({reason for answer in answers for reason in answer["reasons"]})
    return {"nodes": total, "seconds": round(last - known, 3), "since_kill": round(last - killed, 3), "told": reasons}


def killed(total: int, processes: int, fence_delay: float) -> dict[str, Any]:
    """Measure how long it takes until the others have a roster without the one that was killed."""
    options = {"fence_delay": fence_delay, "last_call_timeout": LAST_CALL}
    counts = with_a_victim(total, processes)
    with rdzv_server() as (_, endpoint), nodes("tcp", endpoint, counts, least=total - 1, options=options) as run:
        run.meet()
        at = kill_one(run)
        run.all("change")
        met = run.meet_at()
    return {"nodes": total, "fence_delay": fence_delay, "seconds": round(met - at, 3)}


def heartbeats(total: int, processes: int) -> dict[str, Any]:
    """Measure the bytes that a node at work causes in one keep-alive interval."""
    with (
        rdzv_server() as (_, endpoint),
        child(sys.executable, "-m", "benchmarks._meter", endpoint) as meter,
        nodes("tcp", meter.hear(), shares(total, processes)) as run,
    ):
        run.meet()
        time.sleep(SETTLING_INTERVALS * INTERVAL)
        meter.tell("now")
        before = int(meter.hear())
        time.sleep(MEASURED_INTERVALS * INTERVAL)
        meter.tell("now")
        passed = int(meter.hear()) - before
    return {"nodes": total, "bytes_per_node_and_interval": round(passed / total / MEASURED_INTERVALS, 1)}


def main() -> None:
    """Print a line for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--told", type=int, default=1000, help="nodes; 0: leave this out")
    parser.add_argument("--killed", type=int, default=64, help="nodes; 0: leave this out")
    parser.add_argument("--heartbeats", default="100,1000", help="nodes, several with commas; empty: leave this out")
    parser.add_argument("--processes", type=int, default=8, help="number of processes that run the nodes")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    allow_many_files()
    rows = []
    if given.told:
        rows.append({"what": "told of a death", **told(given.told, given.processes)})
    if given.killed:
        rows += [{"what": "killed", **killed(given.killed, given.processes, delay)} for delay in (0.0, 1.0)]
    for total in filter(None, given.heartbeats.split(",")):
        rows.append({"what": "heartbeats", **heartbeats(int(total), given.processes)})
    for row in rows:
        if not given.json:
            print("  ".join(f"{key} {value}" for key, value in row.items()))
    if given.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
