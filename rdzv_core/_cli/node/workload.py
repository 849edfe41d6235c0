"""What a node runs in each round, and how it starts and stops that."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rdzv_core._cli.node.environment import restarts, worker_environments
from rdzv_core._cli.node.events import Met
from rdzv_core._cli.node.group import WorkerGroup
from rdzv_core._cli.node.health import HealthCheck
from rdzv_core._cli.node.output import RoundOutput
from rdzv_core._cli.node.output_plan import OutputPlan


@dataclass(frozen=True)
class Workload:
    """The command of all workers; `grace_period` is how many seconds they have to end after the `stop_signal`.

    `health`, if there is one, is to be asked before each time the node joins.
    """

    command: Sequence[str]
    max_restarts: int
    grace_period: float
    stop_signal: int = signal.SIGTERM
    output: OutputPlan = field(default_factory=OutputPlan)
    health: HealthCheck | None = None

    def check_health(self) -> None:
        """Raise `RendezvousError` if this node is not fit to join."""
        if self.health is not None:
            self.health.run()

    def end_health_check(self) -> None:
        """Kill the health check, if one runs."""
        if self.health is not None:
            self.health.cancel()

    def start(self, met: Met, told: Mapping[str, str], counts: tuple[int, int], lease_ends: float) -> WorkerGroup:
        """Start the workers for a round until `lease_ends` and the grace period after it; raises `OSError`.

        `told` are variables beside those of the round, `counts` how often they were started and how often they failed.
        """
        folder = self.output.folder(met.environment["RDZV_RUN_ID"], met.environment["RDZV_EPOCH"], met.round)
        output = RoundOutput(self.output, met.ranks, folder)
        variables = {**told, **met.environment, **restarts(*counts, self.max_restarts)}
        environments = [
            {**output.environment(place), **each}
            for place, each in enumerate(worker_environments(variables, met.ranks))
        ]
        try:
            return WorkerGroup(self.command, met.ranks, environments, lease_ends + self.grace_period, output)
        finally:
            output.begin()
