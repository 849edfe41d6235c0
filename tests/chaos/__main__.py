"""Real nodes, killed and stopped at random: never two groups at work at once, and they always meet again.

    python -m tests.chaos --backend tcp --nodes 16 --minutes 10 [--seed N] [--cut]     (from the root of the tree)
    python -m tests.chaos --backend tcp --nodes 10 --nproc 4
    python -m tests.chaos --backend tcp --restart-store --calm-nodes [--ttl 30]
    python -m tests.chaos --backend file|file-directory
    python -m tests.chaos --backend etcd --cluster [--calm-nodes]
    python -m tests.chaos --finish [--restart-store] [--calm-nodes]

It starts a store (`rdzv serve`, a file, a directory, a SQLite database, a real etcd) and nodes (`rdzv run`) of one run.
All the time, agents, watchdogs, workers or whole process trees get SIGKILL or SIGSTOP (and SIGCONT later, sometimes
before their lease has ended and sometimes after), nodes are told to leave, and new ones come. With --cut, nodes are cut
off from the store for a while and all their connections are reset. Now and then it pauses until all present nodes work
as one group, with ranks 0 to n-1, and fails if that takes more than --bound seconds. With --nproc each node has several
workers, which are all ranked, and of which one may be killed.

With --restart-store the store (`rdzv serve --data-dir`, or one etcd) is killed and restarted every 20 to 40 s, and is
away for up to 10 s. With --cluster it is three etcds, one of which is killed, stopped or cut off at a time. A lease
then lasts 30 s, which covers this. Work that ends although no node's fault can explain it was stopped by the store, and
that is a finding, unless the store was away for more than half a lease. With --calm-nodes no node is disturbed at all.

With --finish, jobs end well after a random time, run after run, with more nodes than a round has seats: no job may run
again after it is done, and every node must end with status 0.

The workers (`worker.py`) record when they worked, independently of any rendezvous or lock; at the end `journals.py`
looks for two groups at work at once. It prints a summary. The exit status is 0 if nothing was found, otherwise 1.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.chaos import journals
from tests.chaos.finishing import Finishing
from tests.chaos.links import Link
from tests.chaos.nodes import Node, leftovers, send
from tests.chaos.options import node_arguments, parsed, works_on
from tests.chaos.stores import Store, opened

QUIET_EVERY = 30.0
SPARES = 2
LAST_BEAT = 0.5
"""How long before a worker's end its last beat may be, in seconds, on a busy machine."""

FAULTS = {
    "kill agent": 4,
    "kill tree": 3,
    "kill watchdog": 1,
    "kill worker": 1,
    "stop agent": 4,
    "stop tree": 4,
    "cut": 6,
    "leave": 1,
    "join": 3,
}
"""The faults of nodes, and how often each occurs compared with the others."""


class Chaos:
    """The nodes of one run, and their faults."""

    def __init__(self, given: argparse.Namespace, store: Store, directory: Path, arguments: list[str]) -> None:
        self.findings: list[str] = []
        self.disturbed: list[journals.Window] = []
        """From when a node was disturbed (started, faulted, resumed) to when that can no longer have an effect."""
        self.began = self.over = float("inf")
        self.count: Counter[str] = Counter()
        self.meetings: list[float] = []
        self._given, self._directory = given, directory
        self._random = random.Random(given.seed)
        self._weights = [0 if fault == "cut" and not given.cut else weight for fault, weight in FAULTS.items()]
        self._nodes: list[Node] = []
        self._resumes: list[tuple[float, Callable[[], None]]] = []
        self._store = store
        self._arguments = [*arguments, "--run-id", "chaos"]

    def run(self) -> None:
        """Inject faults for the given time."""
        for _ in range(self._given.nodes):
            self._start()
        self._meet()
        self.began = time.monotonic()
        over = self.began + 60 * self._given.minutes
        while (now := time.monotonic()) < over:
            quiet = min(over, now + QUIET_EVERY)
            while time.monotonic() < quiet:
                self._pause(self._random.uniform(0.1, self._given.calm))
                self._look_after()
                if not self._given.calm_nodes:
                    self._inject_fault()
            self._meet()
        self._store.heal()
        self.over = time.monotonic() - 1.0

    def end(self) -> None:
        """Tell all nodes to leave; no node and no worker may be left."""
        for node in self._nodes:
            node.signal("agent", signal.SIGCONT)
            node.signal("agent", signal.SIGTERM)
        for node in self._nodes:
            try:
                node.process.wait(30)
            except Exception:  # noqa: BLE001 - whatever the error, the node is stuck
                self.findings.append(f"{node.name} did not end within 30 s of SIGTERM: {node.last_words()}")
                node.signal("tree", signal.SIGKILL)
                node.process.wait()
        until = time.monotonic() + 5
        while (left := leftovers(self._directory)) and time.monotonic() < until:
            time.sleep(0.05)
        if left:
            self.findings.append(f"processes {left} are left although all nodes have ended")

    def _start(self) -> None:
        self.count["started"] += 1
        self._disturb()
        name = f"n{self.count['started']}"
        link = Link(self._store.endpoint) if self._given.cut else None
        where = ["--endpoint", link.endpoint if link else self._store.endpoint]
        self._nodes.append(Node(name, self._directory, [*self._arguments, *where], self._given.fence_delay, link))

    def _disturb(self) -> None:
        now = time.monotonic()
        self.disturbed.append((now - LAST_BEAT, now + works_on(self._given)))

    def _all_have_met(self) -> None:
        """Note that earlier faults have no effect any more: all present nodes work as one group."""
        now = time.monotonic()
        self.disturbed = [(first, min(last, now)) for first, last in self.disturbed]

    def _inject_fault(self) -> None:
        """Inject a fault into a random node."""
        self._disturb()
        node = self._random.choice(self._nodes)
        fault = self._random.choices(list(FAULTS), weights=self._weights)[0]
        self.count[fault] += 1
        node.dismissed |= fault in ("kill agent", "kill tree", "leave")
        if fault == "leave":
            node.signal("agent", signal.SIGTERM)
        elif fault.startswith("kill"):
            place = self._random.randrange(self._given.nproc) if self._given.nproc > 1 else 0
            node.signal(fault.removeprefix("kill "), signal.SIGKILL, place)
        elif fault.startswith("stop"):
            self._stop(node.processes(fault.removeprefix("stop ")))
        elif fault == "cut" and node.link is not None and node.has_joined():  # otherwise it would end, as it should
            node.link.cut()
            self._resumes.append((self._later(), node.link.restore))
        if fault == "join" or len([one for one in self._nodes if not one.dismissed]) < self._given.nodes // 2:
            self._fill(self._given.nodes + SPARES)

    def _stop(self, processes: list[int]) -> None:
        # Resume exactly the stopped processes: one whose parent died meanwhile is no longer in any tree.
        send(processes, signal.SIGSTOP)
        self._resumes.append((self._later(), lambda: send(processes, signal.SIGCONT)))

    def _later(self) -> float:
        # A lease lasts three keep-alives: some resume in time, some late, some long after the others met without them.
        keep_alives: float = self._random.choice([0.5, 2, 4, 10]) * self._random.random()
        return time.monotonic() + keep_alives * float(self._given.keep_alive)

    def _fill(self, most: int) -> None:
        """Start one to three new nodes, unless there are too many."""
        room = most - len([node for node in self._nodes if not node.dismissed])
        for _ in range(min(room, self._random.randint(1, 3))):
            self._start()

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            due = [resume for resume in self._resumes if resume[0] <= time.monotonic()]
            self._resumes = [resume for resume in self._resumes if resume not in due]
            for _, resume in due:
                self._disturb()
                resume()
            self._store.tick()
            time.sleep(min(left, 0.02))

    def _look_after(self) -> None:
        for node in [one for one in self._nodes if not one.alive]:
            self._nodes.remove(node)
            if node.link is not None:
                node.link.close()
            if not node.dismissed:
                said = node.last_words()
                self.findings.append(f"{node.name} ended by itself, status {node.process.returncode}: {said}")

    def _meet(self) -> None:
        """Pause until all present nodes, except the spares, are one group."""
        for _, resume in self._resumes:
            self._disturb()
            resume()
        self._resumes = []
        began = time.monotonic()
        while True:
            self._look_after()
            staying = [node for node in self._nodes if not node.dismissed]
            size = min(len(staying), self._given.nodes)
            working = journals.at_work(self._directory / "journals")
            if journals.whole_group(working, size * self._given.nproc):
                self.meetings.append(time.monotonic() - began)
                self._pause(1.0)
                if journals.whole_group(journals.at_work(self._directory / "journals"), size * self._given.nproc):
                    self._all_have_met()
                return
            if time.monotonic() - began > self._given.bound:
                seen = "; ".join(map(str, working)) or "nobody"
                self.findings.append(f"no group of {size} nodes within {self._given.bound:g} s; at work: {seen}")
                return
            if size < 2:
                self._fill(self._given.nodes)
            self._pause(0.1)


def _stopped(ttl: float, chaos: Chaos, works: list[journals.Work], store: Store) -> list[str]:
    """Describe the work that was stopped by faults of the store; each is a finding.

    A store that was away for more than half a ttl, being slow to start on a busy machine, may have stopped it; a
    cluster that is a member short is not away.
    """
    away = store.absences if store.may_be_away else []
    long = [(first - LAST_BEAT, last + ttl / 2) for first, last in away if last - first > ttl / 2]
    explained = [*chaos.disturbed, *long]
    stopped = journals.stopped_unasked(works, chaos.began, chaos.over, explained)
    chaos.findings += [f"STOPPED although no fault of a node can explain it: {work}" for work in stopped]
    seconds = journals.undisturbed(chaos.began, chaos.over, explained)
    return [
        *[f"  the store was away for more than half a ttl: {len(long)} times"] * bool(long),
        f"  commands stopped by a restart: {len(stopped)} (in {seconds:.0f} s without a fault of a node)",
    ]


def _summary(given: argparse.Namespace, chaos: Chaos, store: Store, directory: Path) -> list[str]:
    """Read the journals, add what they prove to the findings, and return the lines to print."""
    works = journals.read_all(directory / "journals")
    overlaps = list(journals.overlaps(works))
    odd = list(journals.odd_ranks(works))
    chaos.findings += [f"OVERLAP of {overlap}" for overlap in overlaps] + [f"RANKS of {text}" for text in odd]
    count = chaos.count
    kills, stops = (sum(count[name] for name in count if name.startswith(word)) for word in ("kill", "stop"))
    each = ", ".join(f"{name} {count[name]}" for name in sorted(count) if name.startswith(("kill", "stop", "cut")))
    each = each or "nodes left alone"
    late = count["started"] - given.nodes
    nodes = f"{given.nodes} nodes" + (f" of {given.nproc} workers" if given.nproc > 1 else "")
    rounds, worked = len({work.group for work in works}), sum(work.end - work.begin for work in works)
    store_faults = ", ".join(f"{what} {many}" for what, many in sorted(store.count.items()))
    stopped = _stopped(given.ttl, chaos, works, store) if given.disturbs_store else []
    slowest, other = max(chaos.meetings, default=0.0), len(chaos.findings) - len(overlaps) - len(odd)
    return [
        f"{given.backend}: {nodes} for {given.minutes:g} min, seed {given.seed}",
        f"  {rounds} rounds, {len(works)} runs of a worker, {worked:.0f} s of work",
        f"  {kills} kills, {stops} stops, {count['leave']} nodes left, {late} late joiners ({each})",
        *(
            [f"  the store: {store_faults or 'nothing'}, away or a member short for {store.away:.1f} s"]
            * given.disturbs_store
        ),
        f"  met again {len(chaos.meetings)} times as one whole group, the slowest in {slowest:.1f} s",
        f"  longest time without a group: {journals.longest_pause(works):.1f} s",
        *stopped,
        f"  overlaps: {len(overlaps)}; rounds of odd ranks: {len(odd)}; other findings: {other}",
    ]


def _chaos(
    given: argparse.Namespace, store: Store, directory: Path, arguments: list[str]
) -> tuple[list[str], list[str]]:
    """Inject faults into nodes and store; return the lines to print, and the findings."""
    chaos = Chaos(given, store, directory, arguments)
    try:
        chaos.run()
    finally:
        chaos.end()
    return _summary(given, chaos, store, directory), chaos.findings


def _finish(
    given: argparse.Namespace, store: Store, directory: Path, arguments: list[str]
) -> tuple[list[str], list[str]]:
    """Let jobs finish; return the lines to print, and the findings."""
    finishing = Finishing(given, store, directory, arguments)
    finishing.run()
    return finishing.summary(), finishing.findings


def main() -> int:
    """Run it and return the exit status."""
    given = parsed(__doc__ or "")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = Path(tempfile.mkdtemp(prefix=f"rdzv-chaos-{given.backend}-"))
    (directory / "journals").mkdir()
    with opened(given, directory) as store:
        lines, findings = (_finish if given.finish else _chaos)(given, store, directory, node_arguments(given))
    print("\n".join(lines))
    for finding in findings:
        print(f"FOUND {finding}")
    if given.keep or findings:
        print(f"journals and logs: {directory}")
    else:
        shutil.rmtree(directory)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
