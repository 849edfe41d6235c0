"""One seed's life: storms, in which everything goes wrong, and after each a peace, in which all nodes must meet."""

from __future__ import annotations

from dataclasses import dataclass

from rdzv_simulation._checks.checker import Checker
from rdzv_simulation._cluster.cluster import Cluster
from rdzv_simulation._cluster.parts import Parts
from rdzv_simulation._cluster.rng import MessageRng
from rdzv_simulation._faults.injector import FaultInjector
from rdzv_simulation._faults.plan import storm
from rdzv_simulation._invariants import Violation
from rdzv_simulation._loop.absences import Absences
from rdzv_simulation._loop.pace import Pace
from rdzv_simulation._loop.peace import Peace
from rdzv_simulation._loop.scenario import Scenario


@dataclass(frozen=True)
class Result:
    """What a life amounted to: rounds that formed, things that happened, and how often each fault struck."""

    rounds: int
    phases: int
    steps: int
    faults: dict[str, int]
    trace: list[str]


class Life:
    """Lets a seed live. Deterministic: nothing but the scenario decides what happens."""

    def __init__(self, scenario: Scenario, parts: Parts | None = None, tracing: int = 0) -> None:
        settings = scenario.settings()
        self.scenario = scenario
        self._messages = MessageRng(scenario.seed, settings.strategy, scenario.faults, scenario.calm, scenario.keep)
        self._cluster = Cluster(scenario.seed, settings, parts or Parts(), self._messages, scenario.without, tracing)
        self._checker = Checker(self._cluster)
        self._cluster.watched_by(self._checker)
        self._injector = FaultInjector(self._cluster)
        self._pace = Pace(self._cluster.timeline)
        self._peace = Peace(self._cluster, self._checker, self._pace, all_are_there=not scenario.without)
        self._absences = Absences(scenario, self._cluster, self._checker, self._injector, self._pace)
        self._phase = 0
        self._brought_no_round = False

    def live(self) -> Result:
        """Live until enough rounds have formed; raise `Violation` if an invariant is broken."""
        scenario = self.scenario
        try:
            while self._checker.rounds < scenario.rounds and self._phase <= scenario.last_phase:
                if self._phase == 0 or scenario.has(self._phase):
                    before = self._checker.rounds
                    self._live_through_phase()
                    self._brought_no_round = self._checker.rounds == before
                self._phase += 1
        except Violation as violation:
            where = f"seed {scenario.seed}, phase {self._phase}, at {self._cluster.timeline.time:.3f} s: "
            told = tuple(self._cluster.timeline.told())
            raise Violation(violation.number, violation.text, where, told) from violation.__cause__
        return self.result()

    def result(self) -> Result:
        """Return what it amounts to so far."""
        faults = {**self._injector.counts, **self._messages.counts}
        timeline = self._cluster.timeline
        return Result(self._checker.rounds, self._phase, timeline.steps, faults, timeline.told())

    @property
    def planned_faults(self) -> list[str]:
        """The names of the planned faults that have struck so far."""
        return self._injector.struck

    @property
    def decisions(self) -> list[str]:
        """The names of all that has gone wrong so far, disturbed messages too."""
        return [*self._injector.struck, *self._messages.struck]

    def _live_through_phase(self) -> None:
        self._storm()
        self._messages.begin(self._phase, stormy=False)
        self._peace.keep()
        if self._peace.is_settled():
            self._absences.bear(self._phase)
            self._absences.stand_by(self._phase)

    def _storm(self) -> None:
        scenario, cluster = self.scenario, self._cluster
        cluster.peaceful = False
        self._messages.begin(self._phase, stormy=True)
        bad = storm(scenario.seed, self._phase, scenario.faults, scenario.keep)
        self._injector.schedule(bad, work_may_be_over=self._brought_no_round or scenario.keep is not None)
        cluster.start_all()
        self._pace.wait(bad.seconds)
