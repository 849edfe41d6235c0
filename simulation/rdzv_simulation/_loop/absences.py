"""What must not change what they have met in: the store is away for a while, or nothing happens at all (I12, I16)."""

from __future__ import annotations

import random

from rdzv_simulation._checks.checker import Checker
from rdzv_simulation._cluster.cluster import Cluster
from rdzv_simulation._cluster.settings import LATE_COMERS
from rdzv_simulation._faults.injector import FaultInjector
from rdzv_simulation._faults.plan import Fault, absences
from rdzv_simulation._invariants import Violation
from rdzv_simulation._loop.pace import Pace
from rdzv_simulation._loop.peace import QUIET
from rdzv_simulation._loop.scenario import Scenario

_WITH_A_LONG_WAIT = 0.15
"""The share of all phases after which nothing happens for longer than a spare would wait for a place to get free."""


class Absences:
    """What comes after a peace in which everything has settled."""

    def __init__(
        self, scenario: Scenario, cluster: Cluster, checker: Checker, injector: FaultInjector, pace: Pace
    ) -> None:
        self._scenario, self._cluster, self._checker = scenario, cluster, checker
        self._injector, self._pace, self._timeline = injector, pace, cluster.timeline

    def bear(self, phase: int) -> None:
        """Let the store be away for as long as every lease covers, and check that everybody works on (I16)."""
        scenario, cluster, joins = self._scenario, self._cluster, self._checker.joins
        planned = absences(scenario.seed, phase, scenario.faults, scenario.keep)
        before = cluster.processes.at_work()
        if not planned or not before:
            return
        joins.store_is_away()
        for fault in planned:
            self._pace.wait(fault.at)
            self._injector.note_struck(fault)
            self._strike(fault)
        self._pace.wait(QUIET)
        joins.in_touch_after(self._timeline.time)
        after = cluster.processes.at_work()
        if before != after:
            times = f"the store was away {len(planned)} times"
            raise Violation("I16", f"{times}: {_told(before)} before, {_told(after)} after")

    def _strike(self, fault: Fault) -> None:
        cluster, share = self._cluster, fault.amount
        silent, lost = 7 * share % 1.0 < 0.3, 11 * share % 1.0 < 0.3
        seconds = cluster.settings.covered(silent) * share
        flaps = 1 if silent else 1 + int(2.999 * fault.who**2)
        if 13 * share % 1.0 < 0.4 and self._checker.joins.full_since <= self._timeline.time:
            free = [name for name in LATE_COMERS if cluster.processes.is_free(name)]
            for name in free[:1]:
                cluster.processes.start(name, seconds * fault.who)
        for number in range(flaps):
            away = seconds / flaps * (1.0 if number == flaps - 1 else 0.9)
            cluster.outages.restart(away, silent, lost and not number)
            self._pace.until(self._timeline.time + seconds / flaps + 1e-6)

    def stand_by(self, phase: int) -> None:
        """Let nothing happen, in some phases, for longer than a spare would wait for a place if it did not stand by."""
        cluster = self._cluster
        own = random.Random(f"{self._scenario.seed}.{phase}.stand-by")
        if own.random() > _WITH_A_LONG_WAIT or cluster.settings.join_timeout > 20.0:
            return
        if self._timeline.time < cluster.network.stray_until + 2 * cluster.settings.ttl:
            return  # an entry whose sender gave up may come yet: a member that is no node, until its lease ends
        before = cluster.processes.at_work()
        self._pace.until(self._timeline.time + cluster.settings.join_timeout + 2.0)
        after = cluster.processes.at_work()
        if before != after:
            raise Violation("I12", f"without a reason {_told(before)} were followed by {_told(after)}")


def _told(working: dict[str, tuple[str, int]]) -> str:
    return ", ".join(f"{name} in {epoch[:4]}/{number}" for name, (epoch, number) in working.items()) or "nobody"
