"""The simulator itself: it catches every broken protocol, repeats exactly, and makes failures small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rdzv_simulation import FAULT_TEXTS, FAULTS, INVARIANTS, Scenario, Violation, simulate
from rdzv_simulation._scale import MOST_SPREAD, constant, measure, spread
from rdzv_simulation._shrink import Shrunk, shrink
from rdzv_simulation.mutants import MUTANTS, hunt

SEEDS = 400
UNFENCED = MUTANTS["never-fenced"]


@pytest.mark.parametrize("name", MUTANTS)
def test_every_broken_protocol_is_caught(name: str) -> None:
    """A rule that is taken away, or a mistake that could have been made, breaks an invariant that has a number."""
    kill = hunt(MUTANTS[name], SEEDS)
    assert kill is not None, f"{name} survived {SEEDS} seeds: the rule is not tested, or not needed"
    assert kill.violation.number in INVARIANTS


def test_there_are_enough_broken_protocols_and_each_says_what_it_stands_for() -> None:
    """At least twenty, each with one sentence."""
    assert len(MUTANTS) >= 20
    assert all(mutant.stands_for.endswith(".") and "\n" not in mutant.stands_for for mutant in MUTANTS.values())


def test_every_fault_is_described() -> None:
    """What may happen is said in words, and what is described may happen."""
    assert set(FAULT_TEXTS) == {*FAULTS, "pct"}


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


def test_a_life_that_fails_not_is_not_shrunk() -> None:
    """There is nothing to make small."""
    assert shrink(Scenario(1, 5)) is None


def test_faults_that_are_off_do_not_strike() -> None:
    """With two faults on, only these two are counted, besides the adversary's changes of priority."""
    result = simulate(Scenario(3, 20, ("crash", "cut")))
    assert {kind for kind, count in result.faults.items() if count} <= {"crash", "cut", "pct"}
    assert result.faults["crash"]


def test_what_a_node_sends_does_not_grow_with_the_number_of_nodes() -> None:
    """From 100 to 1,000 nodes messages and bytes for each node stay within a tenth; the head is written twice."""
    measured = [measure(nodes) for nodes in (100, 1000)]
    assert constant(measured) == []
    for costs in ([one.meeting for one in measured], [one.round for one in measured]):
        assert spread([cost.messages for cost in costs]) <= MOST_SPREAD
        assert all(cost.writes <= 3 for cost in costs)


def test_what_grows_with_the_number_of_nodes_is_named() -> None:
    """A cost that doubles from one size to the next is no constant."""
    few, many = measure(10), measure(20)
    grown = constant([few, type(many)(20, few.meeting, many.round, type(few.round)(9e9, 9e9, 0, 1.0), 0.0)])
    assert any(text.startswith("interval") and "messages" in text for text in grown)
    assert any(text.startswith("interval") and "bytes" in text for text in grown)


def test_the_protocol_is_written_down() -> None:
    """`spec/protocol.md` has every invariant in the words in which it is held, every kind of fault and every mutant."""
    text = (Path(__file__).parents[2] / "spec" / "protocol.md").read_text()
    for number, sentence in INVARIANTS.items():
        assert f"| {number} | {sentence} |" in text
    for kind in FAULTS:
        assert f"`{kind}`" in text
    for mutant in MUTANTS.values():
        assert f"| `{mutant.name}` | {mutant.stands_for} | I" in text
