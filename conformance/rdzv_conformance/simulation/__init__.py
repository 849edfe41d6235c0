"""The handler's real state machine on a simulated clock, network and store: seeded, one thread, repeatable."""

from rdzv_conformance.simulation._check import Violation
from rdzv_conformance.simulation._scenario import Scenario, simulate

__all__ = ["Scenario", "Violation", "simulate"]
