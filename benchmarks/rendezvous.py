"""How long N nodes take to meet, all started at once: ours, and PyTorch's beside it where PEER_PYTHON has it.

    python benchmarks/rendezvous.py --nodes 16,64 --processes 4 --backend tcp [--json]

Handlers are made, and connected, before the clock starts; min_nodes = max_nodes = N. The clock stops when the last node
holds its rank. Everything runs on loopback and ends by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

PATIENCE = 300.0

PEER = """
import sys, threading, time
from torch.distributed.elastic.rendezvous import RendezvousParameters
from torch.distributed.elastic.rendezvous.c10d_rendezvous_backend import create_backend
from torch.distributed.elastic.rendezvous.dynamic_rendezvous import create_handler
endpoint, run_id, total, mine, host = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == "1"
def make(hosts):
    params = RendezvousParameters("c10d", endpoint, run_id, total, total, is_host=hosts, join_timeout=%(patience)d)
    backend, store = create_backend(params)
    return create_handler(store, backend, params)
handlers = [make(host and n == 0) for n in range(mine)]
def meet(handler):
    handler.next_rendezvous()
"""

OURS = """
import sys, threading, time
from rdzv_core import RendezvousParameters, create_handler
backend, endpoint, run_id, total, mine = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
options = {"join_timeout": %(patience)d, **({"is_host": False} if backend == "tcp" else {})}
def make(n):
    params = RendezvousParameters(backend, endpoint, run_id, total, total, local_addr=f"host{n}", **options)
    return create_handler(params)
handlers = [make(n) for n in range(mine)]
def meet(handler):
    handler.next_rendezvous()
"""

MEASURE = """
print("ready", flush=True)
sys.stdin.readline()
threads = [threading.Thread(target=meet, args=(handler,)) for handler in handlers]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(time.monotonic(), flush=True)
sys.stdin.readline()
import os; os._exit(0)
"""


def measure(commands: list[list[str]]) -> float:
    """Start the processes, let all nodes go at once, and give the seconds until the last has met."""
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore"}
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=quiet)
        for command in commands
    ]
    watchdog = threading.Timer(PATIENCE, _kill, [children])
    watchdog.start()
    try:
        for child in children:
            if _line(child) != "ready":
                return float("nan")
        start = time.monotonic()
        for child in children:
            _go(child)
        ends = [_line(child) for child in children]
        return max(float(end) for end in ends) - start if all(ends) else float("nan")
    finally:
        watchdog.cancel()
        for child in children:
            child.kill()
            child.communicate()


def ours(backend: str, endpoint: str, nodes: int, processes: int) -> float:
    """Measure rdzv."""
    program = OURS % {"patience": PATIENCE} + MEASURE
    run_id = uuid.uuid4().hex
    return measure(
        [
            [sys.executable, "-c", program, backend, endpoint, run_id, str(nodes), str(share)]
            for share in _shares(nodes, processes)
        ]
    )


def peer(python: str, nodes: int, processes: int) -> float:
    """Measure PyTorch's c10d rendezvous as shipped, its store hosted by the first process."""
    program, run_id = PEER % {"patience": PATIENCE} + MEASURE, uuid.uuid4().hex
    endpoint = f"127.0.0.1:{29500 + os.getpid() % 400}"
    return measure(
        [
            [python, "-c", program, endpoint, run_id, str(nodes), str(share), str(int(number == 0))]
            for number, share in enumerate(_shares(nodes, processes))
        ]
    )


def _shares(nodes: int, processes: int) -> list[int]:
    processes = min(nodes, processes)
    return [nodes // processes + (number < nodes % processes) for number in range(processes)]


def _kill(children: list[subprocess.Popen[str]]) -> None:
    for child in children:
        child.kill()


def _line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def _go(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("go\n")
    child.stdin.flush()


def main() -> None:
    """Print one line a number of nodes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", default="4,16,64")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--backend", default="tcp", help="tcp (served for the benchmark) or file")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    python, rows = os.environ.get("PEER_PYTHON"), []
    with tempfile.TemporaryDirectory() as folder:
        server, endpoint = None, str(Path(folder) / "store")
        if given.backend == "tcp":
            serve = [sys.executable, "-m", "rdzv_core", "serve", "--endpoint", "127.0.0.1:0"]
            server = subprocess.Popen(serve, stdout=subprocess.PIPE, text=True)
            endpoint = _line(server)
        try:
            for nodes in map(int, given.nodes.split(",")):
                row = {"nodes": nodes, "backend": given.backend}
                row["rdzv_s"] = round(ours(given.backend, endpoint, nodes, given.processes), 3)
                if python:
                    row["torch_s"] = round(peer(python, nodes, given.processes), 3)
                    row["ratio"] = round(row["torch_s"] / row["rdzv_s"], 1)
                rows.append(row)
                if not given.json:
                    print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
        finally:
            if server is not None:
                server.terminate()
                server.communicate()
    if given.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
