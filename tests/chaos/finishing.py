"""Jobs that end well, run after run, with spares waiting: nothing runs twice, and every node ends with status 0."""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.chaos import journals
from tests.chaos.journals import Group, Work
from tests.chaos.nodes import Node, leftovers
from tests.chaos.stores import Store

SPARES = 3
LONGEST_JOB = 3.0
KILLS = 0.3
"""In which part of all runs a node is killed, unless nodes are left alone."""


class Finishing:
    """Runs with new ids, one after the other; each lasts until all its nodes have ended."""

    def __init__(self, given: argparse.Namespace, store: Store, directory: Path, arguments: list[str]) -> None:
        self.findings: list[str] = []
        self.runs = self.nodes = self.killed = 0
        self.slowest = 0.0
        self._given, self._store, self._directory, self._arguments = given, store, directory, arguments
        self._random = random.Random(given.seed)

    def run(self) -> None:
        """Start run after run for the given time."""
        over = time.monotonic() + 60 * self._given.minutes
        while time.monotonic() < over and not self.findings:
            self.runs += 1
            self._one(self._directory / f"run{self.runs}")
        self._store.heal()

    def summary(self) -> list[str]:
        """Return the lines to print."""
        given, faults = self._given, ", ".join(f"{what} {many}" for what, many in sorted(self._store.count.items()))
        return [
            f"{given.backend}: jobs of {given.nodes} nodes that finish, for {given.minutes:g} min, seed {given.seed}",
            f"  {self.runs} runs, {self.nodes} nodes, {SPARES} spares each, {self.killed} nodes killed",
            f"  the store: {faults or 'left alone'}",
            f"  the slowest run took {self.slowest:.1f} s",
            f"  findings: {len(self.findings)}",
        ]

    def _one(self, directory: Path) -> None:
        (directory / "journals").mkdir(parents=True)
        began, longest = time.monotonic(), self._random.uniform(0.2, LONGEST_JOB)
        nodes = [self._node(number, directory, longest) for number in range(self._given.nodes + SPARES)]
        self.nodes += len(nodes)
        kill_at = began + self._random.uniform(0.5, 2 + longest)
        if self._given.calm_nodes or self._random.random() > KILLS:
            kill_at = float("inf")
        bound = self._given.bound + longest
        while any(node.alive for node in nodes) and time.monotonic() < began + bound:
            self._store.tick()
            if time.monotonic() >= kill_at:
                kill_at = float("inf")
                self._kill(self._random.choice(nodes))
            time.sleep(0.02)
        self.slowest = max(self.slowest, time.monotonic() - began)
        self._look(directory.name, nodes, bound)
        self.findings += [f"{directory.name}: {text}" for text in self._ran_twice(directory, nodes)]
        if left := leftovers(directory):
            self.findings.append(f"{directory.name}: processes {left} are left although all nodes have ended")

    def _node(self, number: int, directory: Path, longest: float) -> Node:
        arguments = [*self._arguments, "--run-id", directory.name, "--endpoint", self._store.endpoint]
        fence_delay = self._given.fence_delay
        return Node(f"n{number + 1}", directory, arguments, fence_delay, job_seconds=self._random.uniform(0.1, longest))

    def _kill(self, node: Node) -> None:
        if node.alive:
            self.killed += 1
            node.dismissed = True
            node.signal("tree", signal.SIGKILL)

    def _look(self, run: str, nodes: list[Node], bound: float) -> None:
        """Check that every node that was left alone has ended with status 0."""
        for node in nodes:
            if node.alive:
                self.findings.append(f"{run}: {node.name} has not ended within {bound:.0f} s: {node.last_words()}")
                node.signal("tree", signal.SIGKILL)
            try:
                status = node.process.wait(10)
            except subprocess.TimeoutExpired:
                self.findings.append(f"{run}: {node.name} cannot be killed")
                continue
            if status and not node.dismissed:
                self.findings.append(f"{run}: {node.name} ended with status {status}: {node.last_words()}")

    def _ran_twice(self, directory: Path, nodes: list[Node]) -> Iterator[str]:
        works = journals.read_all(directory / "journals")
        killed = {node.name for node in nodes if node.dismissed}
        yield from (f"OVERLAP of {overlap}" for overlap in journals.overlaps(works))
        yield from runs_after_the_end(works, lambda work: work.node not in killed)


def runs_after_the_end(works: Iterable[Work], counts: Callable[[Work], bool]) -> Iterator[str]:
    """Find work that began after all members of another round had finished theirs.

    That a worker was done `counts` only if its node lived to say so.
    """
    groups: dict[Group, list[Work]] = defaultdict(list)
    for work in works:
        groups[work.group].append(work)
    ends = {
        group: max(work.end for work in members)
        for group, members in groups.items()
        if len(members) == members[0].size and all(work.done and counts(work) for work in members)
    }
    for group, end in ends.items():
        for work in (work for members in groups.values() for work in members if work.group != group):
            if work.begin > end:
                yield f"the job ran again after round {group[1]} had finished it: {work}"
