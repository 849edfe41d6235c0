"""Broken protocols, each of which the simulator must catch: the kill matrix of the proof.

Each mutant takes one rule away, or does one thing as somebody might have written it. Its first sentence says what it
stands for.
"""

from rdzv_simulation.mutants._catalogue import MUTANTS, Mutant
from rdzv_simulation.mutants._hunt import HuntInterrupted, Kill, hunt, hunt_all

__all__ = ["MUTANTS", "HuntInterrupted", "Kill", "Mutant", "hunt", "hunt_all"]
