"""The handler's real state machine on a simulated clock, network and store: seeded, one thread, repeatable."""

from rdzv_simulation._check import INVARIANTS, Violation
from rdzv_simulation._plan import FAULT_TEXTS, FAULTS
from rdzv_simulation._run import Result, Run
from rdzv_simulation._scenario import STRATEGIES, Parts, Scenario
from rdzv_simulation._store import SimStore

__all__ = [
    "FAULTS",
    "FAULT_TEXTS",
    "INVARIANTS",
    "STRATEGIES",
    "Parts",
    "Result",
    "Scenario",
    "SimStore",
    "Violation",
    "simulate",
]


def simulate(scenario: Scenario, parts: Parts | None = None, tracing: int = 0) -> Result:
    """Run a scenario; raises `Violation` with seed and trace if an invariant is broken.

    `parts` take what a mutant has changed; with `tracing` 1 the trace has the disturbed messages,
    with 2 all.
    """
    return Run(scenario, parts, tracing).run()
