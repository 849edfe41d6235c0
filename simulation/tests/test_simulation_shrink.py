"""A failing life is made small, and can be repeated."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rdzv_simulation import Scenario, Violation, simulate
from rdzv_simulation._loop.shrink import Shrunk, shrink
from rdzv_simulation.mutants import MUTANTS, hunt

SEEDS = 400
UNFENCED = MUTANTS["never-fenced"]


@pytest.fixture(scope="module")
def small() -> Shrunk:
    """A shrunk life of a protocol that never fences."""
    kill = hunt(UNFENCED, SEEDS)
    assert kill is not None
    shrunk = shrink(Scenario(kill.seed, 30), UNFENCED.parts)
    assert shrunk is not None
    return shrunk


def _broken_by(scenario: Scenario) -> str | None:
    """Return the number of the invariant that the protocol that never fences breaks in a life, or None."""
    try:
        simulate(scenario, UNFENCED.parts)
    except Violation as violation:
        return violation.number
    return None


def test_a_failing_life_is_shrunk(small: Shrunk) -> None:
    """Of many things that went wrong few are left; the same invariant breaks, and the trace tells what went wrong."""
    assert small.after <= small.before / 4
    assert small.violation.number == _broken_by(replace(small.scenario, keep=None, without=frozenset(), calm=False))
    assert any(cause in line for line in small.violation.trace for cause in ("cut off", "freezes", "lost", "down"))


def test_a_shrunk_life_can_be_repeated(small: Shrunk) -> None:
    """It fails again, in the same way, line by line."""
    with pytest.raises(Violation) as again:
        simulate(small.scenario, UNFENCED.parts, tracing=1)
    assert again.value.trace == small.violation.trace


def test_what_is_left_after_shrinking_is_needed(small: Shrunk) -> None:
    """Without any one of the decisions that were kept, the invariant holds; another may be what breaks then."""
    assert small.scenario.keep
    for name in small.scenario.keep:
        fewer = replace(small.scenario, keep=small.scenario.keep - {name})
        assert _broken_by(fewer) != small.violation.number


def test_a_life_that_does_not_fail_is_not_shrunk() -> None:
    """There is nothing to make small."""
    assert shrink(Scenario(1, 5)) is None
