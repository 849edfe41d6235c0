"""The suite's own test: the sound backends pass, and every broken one fails by the clauses that it breaks."""

from __future__ import annotations

from collections import Counter

import pytest
from rdzv_conformance.clauses import catalogue
from rdzv_conformance.mutants import caught_by, failing_clauses, install, mutants, run_all
from rdzv_conformance.runner import select_tests


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    install()


@pytest.mark.parametrize("name", ["sound-memory", "sound-remote"])
def test_the_sound_backends_pass(name: str) -> None:
    """What the mutants are made of fails no clause, but for having no entry point."""
    assert failing_clauses(run_all(name, name == "sound-remote", select_tests(("core", "watch")))) == {}


@pytest.mark.parametrize("name", sorted(mutants()))
def test_a_broken_backend_fails_the_clauses_that_it_breaks(name: str) -> None:
    """Every clause that the mutant breaks fails, with words that tell what is wrong, and no other."""
    mutant = mutants()[name]
    found = failing_clauses(caught_by(mutant))
    assert set(mutant.breaks) <= set(found)
    assert set(found) <= {*mutant.breaks, *mutant.may_break}
    assert any(mutant.message in text for text in found[mutant.breaks[0]]), found[mutant.breaks[0]]


def test_every_mutant_says_what_it_stands_for() -> None:
    """A mutant names clauses of the contract, and a sentence that a person understands."""
    for mutant in mutants().values():
        assert mutant.sentence.endswith(".")
        assert set(mutant.breaks + mutant.may_break) <= set(catalogue())


def test_most_clauses_have_a_mutant_that_only_they_must_catch_or_share() -> None:
    """At least thirty clauses have shown that they can fail."""
    assert len(Counter(number for mutant in mutants().values() for number in mutant.breaks)) >= 30
