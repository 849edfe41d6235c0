"""The handler's real state machine on a simulated clock, network and store: seeded, on one thread, repeatable."""

from rdzv_simulation._cluster.parts import Parts
from rdzv_simulation._cluster.store import SimStore
from rdzv_simulation._faults.kinds import FAULT_TEXTS, FAULTS
from rdzv_simulation._invariants import INVARIANTS, Violation
from rdzv_simulation._loop.life import Life, Result
from rdzv_simulation._loop.scenario import STRATEGIES, Scenario

__all__ = [
    "FAULTS",
    "FAULT_TEXTS",
    "INVARIANTS",
    "STRATEGIES",
    "Life",
    "Parts",
    "Result",
    "Scenario",
    "SimStore",
    "Violation",
    "simulate",
]


def simulate(scenario: Scenario, parts: Parts | None = None, tracing: int = 0) -> Result:
    """Run a scenario; raise `Violation`, with seed and trace, if an invariant is broken.

    `parts` are what a mutant has changed. With `tracing` 1 the trace has the disturbed messages, with 2 all messages.
    """
    return Life(scenario, parts, tracing).live()
