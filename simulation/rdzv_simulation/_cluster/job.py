"""The end of a job: all nodes of a round finish, one after the other."""

from __future__ import annotations

import random

from rdzv_simulation._cluster.node import Node
from rdzv_simulation._cluster.processes import Processes
from rdzv_simulation._cluster.timeline import Timeline

Round = tuple[str, int]


class Job:
    """Knows which rounds have been finished by a node: all others of such a round finish too."""

    def __init__(self, timeline: Timeline, processes: Processes, rng: random.Random) -> None:
        self._timeline, self._processes, self._rng = timeline, processes, rng
        self._finished: set[Round] = set()
        self._crashes_at_the_end: set[Round] = set()

    def finish(self, node: Node, last_crashes: bool = False) -> None:
        """Let a node finish. The others of its round follow; the last one may crash just after it has said so."""
        held = node.working
        assert held is not None
        if last_crashes:
            self._crashes_at_the_end.add((held.epoch, held.round))
        self._finish(node, held)
        for other in self._processes.nodes.values():
            if other.round == (held.epoch, held.round):
                self._timeline.later(1.5 * self._rng.random() ** 2, self._finish, other, other.working)

    def finish_those_left(self) -> None:
        """Let all who still work in a round that others have finished be done, too: their places stay taken."""
        for node in list(self._processes.nodes.values()):
            if node.round in self._finished:
                node.depart("done")

    def _finish(self, node: Node, held: object) -> None:
        round_ = node.round
        if node.working is held and node.alive and round_ is not None:
            self._finished.add(round_)
            node.depart("done")
            others = [other for other in self._processes.nodes.values() if other.round == round_]
            if not others and round_ in self._crashes_at_the_end:
                self._timeline.later(self._rng.uniform(0.0, 0.1), self._processes.crash, node)
