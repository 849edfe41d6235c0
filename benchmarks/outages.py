"""What happens to a job while its store is away: real nodes at work, and a store that is killed, stopped or late.

    python -m benchmarks.outages [--store tcp,etcd,cluster] [--away 2,7,20] [--ttl 15] [--nodes 3] [--json]

killed   SIGKILL, and restarted after so many seconds (tcp: `rdzv serve --data-dir`)
stopped  SIGSTOP for so many seconds
late     not there for so many seconds after the nodes start
cut      cut off from the other members and from its clients

With cluster it is one of three etcds that is killed, stopped or cut off. For each case this prints how many commands
were stopped, whether all nodes still work in the same round, and how soon after the store's return all of them work (0
if none was stopped).
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

if __package__ in (None, ""):  # started as a script
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from rdzv_etcd import EtcdCluster

WORK = """
import os, signal, sys, time
def say(what):
    with open(sys.argv[1], "a") as told:
        told.write(f"{what} {os.environ['RDZV_ROUND']} {time.monotonic()}\\n")
def stop(*_):
    say("stopped")
    sys.exit()
signal.signal(signal.SIGTERM, stop)
say("started")
time.sleep(600)
"""
STARTS_WITHIN, POLL = 90.0, 0.05
AT_ONCE = 3
_ports = itertools.count(29_700)
"""Outside the range from which the system takes client ports, since a server must get its own back."""


@dataclass(frozen=True)
class Row:
    """The effect of one absence."""

    store: str
    what: str
    away: float
    stopped: int
    same_round: bool
    again_after: float


class Job:
    """`rdzv run` nodes whose commands record when they start and are stopped."""

    def __init__(self, backend: str, endpoint: str, folder: Path, nodes: int, ttl: float) -> None:
        self.files = [folder / f"told-{number}" for number in range(nodes)]
        options = {"ttl": ttl, "fence_delay": 1, "last_call_timeout": 1, "join_timeout": 120}
        if backend == "tcp":
            options["is_host"] = False
        told = [word for name, value in options.items() for word in ("--option", f"{name}={value}")]
        where = ["--backend", backend, "--endpoint", endpoint, "--run-id", "outage", "--nodes", str(nodes)]
        run = [sys.executable, "-m", "rdzv_core", "run", *where, *told, "--quiet"]
        with (folder / "nodes.log").open("w") as log:
            self.processes = [
                subprocess.Popen([*run, "--", sys.executable, "-c", WORK, str(file)], stderr=log) for file in self.files
            ]

    def told(self) -> list[list[tuple[str, int, float]]]:
        """Return what each node's command recorded: started or stopped, in which round, when."""
        read = [file.read_text().splitlines() if file.exists() else [] for file in self.files]
        lines = [[line.split() for line in node] for node in read]
        return [[(what, int(number), float(at)) for what, number, at in node] for node in lines]

    def at_work(self) -> bool:
        """Whether all are at work in one round."""
        last = {node[-1][:2] if node else ("nothing", 0) for node in self.told()}
        return len(last) == 1 and last.pop()[0] == "started"

    def wait(self) -> None:
        """Wait until all are at work; raise `RuntimeError` after 90 s."""
        until = time.monotonic() + STARTS_WITHIN
        while not self.at_work():
            if time.monotonic() > until:
                raise RuntimeError(f"the nodes are not at work after {STARTS_WITHIN:g} s: {self.told()}")
            time.sleep(POLL)

    def end(self) -> None:
        """End all nodes."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(30)


class Served:
    """`rdzv serve --data-dir` at an endpoint that stays the same."""

    def __init__(self, folder: Path) -> None:
        self.endpoint = f"127.0.0.1:{next(_ports)}"
        serve = [sys.executable, "-m", "rdzv_core", "serve", "--endpoint", self.endpoint]
        self._command = [*serve, "--data-dir", str(folder / "data")]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError("`rdzv serve` did not start")

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def send(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def take_away(self, what: str) -> Callable[[], None]:
        """Take the store away; return what brings it back."""
        if what == "stopped":
            self.send(signal.SIGSTOP)
            return lambda: self.send(signal.SIGCONT)
        self.kill()
        return self.start

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Etcd:
    """One real etcd, or the last member of three."""

    def __init__(self, size: int) -> None:
        self._cluster = EtcdCluster(size)
        self._member = size - 1

    @property
    def endpoint(self) -> str:
        return self._cluster.endpoints

    def start(self) -> None:
        self._cluster.start()

    def take_away(self, what: str) -> Callable[[], None]:
        """Take a member away; return what brings it back."""
        cluster, member = self._cluster, self._member
        if what == "stopped":
            cluster.pause(member)
            return lambda: cluster.resume(member)
        if what == "cut":
            cluster.cut(member)
            return lambda: cluster.heal(member)
        cluster.kill(member)

        def restart() -> None:
            cluster.restart(member)
            cluster.wait_ready()

        return restart

    def stop(self) -> None:
        self._cluster.stop()


@contextlib.contextmanager
def opened(store: str, folder: Path) -> Iterator[Served | Etcd]:
    """Yield a store that is not started yet, and stop it at the end."""
    made = Served(folder) if store == "tcp" else Etcd(3 if store == "cluster" else 1)
    try:
        yield made
    finally:
        made.stop()


def absence(store: str, what: str, away: float, nodes: int, ttl: float) -> Row:
    """Let nodes work, take the store away for a while, and see what happens to them."""
    with tempfile.TemporaryDirectory(prefix="rdzv-outages-") as name, opened(store, folder := Path(name)) as there:
        there.start()
        back = there.take_away("killed") if what == "late" else None
        job = Job("tcp" if store == "tcp" else "etcd", there.endpoint, folder, nodes, ttl)
        try:
            if back is None:
                job.wait()
                back = there.take_away(what)
            time.sleep(away)
            back()
            returned = time.monotonic()
            if what != "late":
                time.sleep(ttl)  # by then every node that must be fenced has been
            job.wait()
            told = job.told()
        finally:
            job.end()
    stopped = sum(what == "stopped" for node in told for what, _, _ in node)
    rounds = {node[-1][1] for node in told}
    again = max(node[-1][2] for node in told) - returned if stopped or what == "late" else 0.0
    return Row(store, what, away, stopped, rounds == {1}, round(again, 1))


def main() -> None:
    """Print a line for each absence."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", default="tcp,etcd,cluster", help="several with commas")
    parser.add_argument("--away", default="2,7,20", help="seconds, several with commas")
    parser.add_argument("--ttl", type=float, default=15.0, help="seconds that a lease lasts")
    parser.add_argument("--nodes", type=int, default=3, help="number of nodes")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    cases = [
        (store, what, float(away), given.nodes, given.ttl)
        for store in given.store.split(",")
        for what in (("killed", "stopped", "cut") if store == "cluster" else ("killed", "stopped", "late"))
        for away in given.away.split(",")
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rows = list(pool.map(lambda case: absence(*case), cases))
    if given.json:
        print(json.dumps([row.__dict__ for row in rows], indent=2))
        return
    print(f"{given.nodes} nodes, ttl {given.ttl:g} s: the lease covers work for {0.9 * given.ttl:g} s")
    print(f"{'store':8} {'what':8} {'away':>6} {'commands stopped':>17} {'same round':>11} {'again after':>12}")
    for row in rows:
        same = "yes" if row.same_round else "no"
        times = f"{row.away:>5g}s {row.stopped:>17} {same:>11} {row.again_after:>11.1f}s"
        print(f"{row.store:8} {row.what:8} {times}")


if __name__ == "__main__":
    main()
