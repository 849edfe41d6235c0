"""The handler's real state machine on a simulated clock, network and store: seeded, one thread, repeatable."""

from rdzv_conformance.simulation._check import Violation
from rdzv_conformance.simulation._scenario import FAULTS, Scenario, simulate
from rdzv_conformance.simulation._store import SimStore

__all__ = ["FAULTS", "Scenario", "SimStore", "Violation", "simulate"]
