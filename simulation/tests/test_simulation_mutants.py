"""The simulator catches every broken protocol."""

from __future__ import annotations

import pytest
from rdzv_simulation import INVARIANTS
from rdzv_simulation.mutants import MUTANTS, hunt

SEEDS = 400
RARE = {
    "absence-is-death",
    "epochs-are-ignored",
    "holds-on-to-its-claim",
    "leads-without-a-memory",
    "short-incarnation",
    "waits-though-lost",
}
"""Caught after many seeds only: together they take a minute, so `make cases` and `make mutants` hunt them."""


def _name(name: str) -> object:
    return pytest.param(name, marks=pytest.mark.cases) if name in RARE else name


@pytest.mark.parametrize("name", [_name(each) for each in MUTANTS])
def test_every_broken_protocol_is_caught(name: str) -> None:
    """A rule that is taken away, or a mistake that could have been made, breaks an invariant that has a number."""
    kill = hunt(MUTANTS[name], SEEDS)
    assert kill is not None, f"{name} survived {SEEDS} seeds: the rule is not tested, or not needed"
    assert kill.violation.number in INVARIANTS


def test_there_are_enough_broken_protocols_and_each_says_what_it_stands_for() -> None:
    """At least twenty, each with one sentence."""
    assert set(MUTANTS) >= RARE
    assert len(MUTANTS) >= 20
    assert all(mutant.stands_for.endswith(".") and "\n" not in mutant.stands_for for mutant in MUTANTS.values())
