"""How long torchrun's workers are kept from training by a node that dies, hangs or comes, beside torch's own c10d.

    PEER_PYTHON=… python -m benchmarks.torchrun [--runs 3] [--stores tcp,etcd,file] [--events kill,stop,join] [--json]

Four agents of two workers each on gloo, on this machine, with rdzv and with c10d in turns. Printed are the seconds from
the event until all workers of all nodes that are left have done a step together again, and the restarts that the worst
of the agents used up for it (of --max-restarts).

kill   SIGKILL to all processes of the last node
stop   SIGSTOP to all processes of the last node: as when it hangs, or its cable is pulled
join   a fifth agent is started; it is ready to meet when it has imported torch, which is in the time
leave  SIGTERM to the last node's agent

c10d's store is hosted by the first node's agent, which is never struck; rdzv's is a server, or needs none. Both
sides have the same ttl (15 s, the default of both) and last call. Where one does not get there within --patience
the workers wait in a collective that does not end (gloo and NCCL give up after 30 and 10 minutes), or fail again and
again: under c10d they may find addresses of an earlier round in the store that all rounds share (torch 2.13).
c10d-unshared is c10d with TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1, under which rank 0's workers serve a new one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

if __package__ in (None, ""):  # started as a script
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks._stores import store_of
from benchmarks._torchrun_job import Job, installed, job, on_c10d, on_rdzv, why_no_torch

NODES = ("a", "b", "c", "d")
LATE = "e"
UNSHARED = "c10d-unshared"
START = 120.0


def kill(run: Job) -> tuple[float, tuple[str, ...]]:
    """Return when the event was, and which nodes are to train after it."""
    return run.agents[NODES[-1]].kill(), NODES[:-1]


def stop(run: Job) -> tuple[float, tuple[str, ...]]:
    """As `kill`."""
    return run.agents[NODES[-1]].freeze(), NODES[:-1]


def leave(run: Job) -> tuple[float, tuple[str, ...]]:
    """As `kill`."""
    return run.agents[NODES[-1]].terminate(), NODES[:-1]


def join(run: Job) -> tuple[float, tuple[str, ...]]:
    """As `kill`."""
    run.start(LATE)
    return time.monotonic(), (*NODES, LATE)


EVENTS: dict[str, Callable[[Job], tuple[float, tuple[str, ...]]]] = {
    "kill": kill,
    "stop": stop,
    "join": join,
    "leave": leave,
}


def free_endpoint() -> str:
    """Return an endpoint on this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@contextlib.contextmanager
def job_on(subject: str, packages: Path, last_call: int) -> Iterator[Job]:
    """Yield a job on c10d, or on rdzv with the store named."""
    with tempfile.TemporaryDirectory(prefix="rdzv-benchmark-") as folder, contextlib.ExitStack() as stack:
        environment = {"PYTHONPATH": str(packages)}
        if subject in ("c10d", UNSHARED):
            environment["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = str(int(subject == UNSHARED))
            options = on_c10d(free_endpoint(), "2:5", last_call_timeout=last_call, is_host="c10d-host")
        else:
            further = {"is_host": "false"} if subject == "tcp" else {}
            endpoint = stack.enter_context(store_of(subject))
            options = on_rdzv(subject, endpoint, "2:5", last_call_timeout=last_call, **further)
        yield stack.enter_context(job(Path(folder), options, environment))


def start(run: Job) -> None:
    """Start all nodes. On c10d the first one hosts the store; it is never struck, as all would end with it."""
    clients = run.torchrun
    run.torchrun = [option.replace("c10d-host", "true") for option in clients]
    run.start(NODES[0])
    run.torchrun = [option.replace("c10d-host", "false") for option in clients]
    run.start(*NODES[1:])


def measure(subject: str, event: str, packages: Path, last_call: int, patience: float) -> dict[str, Any] | None:
    """Return what one event costs one job; None if that did not even begin to train, which c10d may not under load."""
    with job_on(subject, packages, last_call) as run:
        start(run)
        try:
            run.await_training(*NODES, seconds=START)
        except TimeoutError:
            return None
        time.sleep(1.0)
        before = run.restarts()
        at, nodes = EVENTS[event](run)
        try:
            seconds: float | None = round(run.await_training(*nodes, since=at, seconds=patience) - at, 1)
        except TimeoutError:
            seconds = None
        return {"seconds": seconds, "restarts": run.restarts() - before, "load": round(os.getloadavg()[0], 1)}


def shown(rows: list[dict[str, Any]], patience: float) -> str:
    """Return the runs of one kind, for people."""
    if not rows:
        return "did not begin"
    times = [row["seconds"] for row in rows]
    each = ", ".join(f"{one:g}" if one is not None else f"over {patience:g}" for one in times)
    known = [one for one in times if one is not None]
    middle = f"{median(known):.1f} s" if len(known) == len(times) else f"over {patience:g} s"
    return f"{middle}  ({each})  restarts {_listed(rows, 'restarts')}  load {_listed(rows, 'load')}"


def _listed(rows: list[dict[str, Any]], name: str) -> str:
    return ", ".join(str(row[name]) for row in rows)


def main() -> None:
    """Print a line for each event and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--stores", default=f"tcp,etcd,file,c10d,{UNSHARED}")
    parser.add_argument("--events", default="kill,stop,join,leave")
    parser.add_argument("--last-call", type=int, default=5, help="seconds, of both")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds after which a run is given up")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if why := why_no_torch():
        raise SystemExit(why)
    subjects = given.stores.split(",")
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(prefix="rdzv-benchmark-") as folder:
        packages = installed(Path(folder))
        for number in range(given.runs):
            for event in given.events.split(","):
                for subject in subjects:  # in turns, so that all of them have the same load
                    row = measure(subject, event, packages, given.last_call, given.patience)
                    found.setdefault((event, subject), []).extend([row] if row else [])
                    print(f"run {number + 1}: {event} {subject} {row or 'did not begin'}", file=sys.stderr, flush=True)
    if given.json:
        rows = [{"event": event, "store": subject, "runs": runs} for (event, subject), runs in found.items()]
        print(json.dumps(rows, indent=2))
        return
    for (event, subject), runs in found.items():
        print(f"{event:6} {subject:14} {shown(runs, given.patience)}")


if __name__ == "__main__":
    main()
