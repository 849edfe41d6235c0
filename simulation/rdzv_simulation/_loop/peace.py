"""What follows a storm: all nodes that are alive meet, and stay together (I12, I18)."""

from __future__ import annotations

from rdzv_core._handler.head import decode_head
from rdzv_simulation._checks.checker import Checker
from rdzv_simulation._cluster.cluster import Cluster
from rdzv_simulation._invariants import Violation
from rdzv_simulation._loop.pace import Pace

_LIMIT = 60.0
"""Seconds of peace in which all must have met."""

QUIET = 2.0
"""Seconds in which nothing may change any more once they have."""


class Peace:
    """Lets a cluster be at peace: messages are soon, and nothing goes wrong.

    Unless `all_are_there` there may be too few nodes to meet.
    """

    def __init__(self, cluster: Cluster, checker: Checker, pace: Pace, all_are_there: bool) -> None:
        self._cluster, self._checker, self._pace = cluster, checker, pace
        self._timeline, self._processes = cluster.timeline, cluster.processes
        self._all_are_there = all_are_there

    def keep(self) -> None:
        """Wait until all have met; raise `Violation` if they do not."""
        cluster, joins = self._cluster, self._checker.joins
        self._timeline.note("PEACE")
        cluster.peaceful = True
        cluster.calm_down()
        calm = max(cluster.outages.down_until, self._timeline.time)
        joins.calm_from(calm)
        joins.in_touch_after(calm)
        self._pace.until(calm)
        self._reset()
        cluster.start_all()
        self._meet()

    def is_settled(self) -> bool:
        """Whether nobody has anything to do but to go on: no round, no change and no node is still to come.

        Of two processes with one node id the one that waits may replace the other.
        """
        state, processes = self._cluster.store.state, self._processes
        if any(node.alive and (node.leaving or node.stalled) for node in processes.nodes.values()):
            return False  # a process that goes is followed by a new one
        if state is None or processes.starting or processes.has_twins():
            return False
        head = decode_head(state)
        there = {(head.epoch, head.round)} == set(processes.at_work().values())
        return there and not head.pending and not head.closed

    def _meet(self) -> None:
        timeline, checker = self._timeline, self._checker
        calm_since = timeline.time
        checker.joins.calm_from(calm_since)
        met_since, rounds = None, 0
        while True:
            self._pace.wait(0.25)
            if any(node.stalled for node in self._processes.nodes.values() if node.alive):
                calm_since = timeline.time
                checker.joins.calm_from(calm_since)
            self._cluster.job.finish_those_left()
            problem = self._why_not_met()
            if problem or checker.rounds != rounds:
                met_since, rounds = None, checker.rounds
            if not problem:
                met_since = timeline.time if met_since is None else met_since
                if timeline.time >= met_since + QUIET:
                    return
            if timeline.time > calm_since + _LIMIT:
                if untold := checker.endings.untold():
                    raise Violation("I18", f"{', '.join(untold)} waits on in a run that has finished")
                raise Violation("I12", problem or "rounds form without end, though nothing goes wrong")
            self._reset()

    def _reset(self) -> None:
        """Let an operator reset a run that is closed, once those who waited in it know that it has finished."""
        if not self._checker.endings.untold():
            self._cluster.reset(closed_only=True)

    def _why_not_met(self) -> str:
        processes, settings = self._processes, self._cluster.settings
        if processes.starting or processes.count() < settings.min_nodes:
            return "there are too few nodes" if self._all_are_there else ""
        staying = processes.staying
        working = [node for node in staying if node.at_work]
        rounds = {node.round for node in working}
        wanted = min(processes.count(), settings.max_nodes)
        if len(working) == wanted and len(rounds) == 1:
            return ""
        idle = ", ".join(node.name for node in staying if node not in working)
        return f"{len(working)} of {wanted} nodes work, in {len(rounds)} rounds; {idle or 'nobody'} not"
