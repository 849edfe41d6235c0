"""The clauses about many at once: the reference backend passes with every seed, broken ones are drawn."""

from __future__ import annotations

import pytest
from rdzv_conformance.checks.linearizability.faults import Fault
from rdzv_conformance.harness.target import Target
from rdzv_conformance.mutants import install
from rdzv_conformance.run.anchor import Anchor
from rdzv_conformance.run.results import TestResult
from rdzv_conformance.run.runner import run_test

THREADS = "test_RDZV_CAS_11_threads_on_one_instance_lose_no_update"
INSTANCES = "test_RDZV_CAS_12_instances_in_one_process_lose_no_update"


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    install()


def _try(name: str, test: str, seed: int = 0) -> TestResult:
    target = Target(name, "many at once", seed=seed)
    with Anchor(target):
        return run_test(target, test)


@pytest.mark.parametrize("seed", range(20))
def test_the_reference_backend_passes_with_every_seed(seed: int) -> None:
    """Twenty seeds, threads and instances in turn: nothing that memory answers is without an explanation."""
    result = _try("memory", (THREADS, INSTANCES)[seed % 2], seed)
    assert (result.status, result.message) == ("pass", "")


@pytest.mark.parametrize(
    "mutant", ["checks-then-writes", "equal-bytes-win", "reads-its-own-cache", "none-overwrites", "token-is-the-value"]
)
def test_a_broken_backend_is_caught_and_drawn(mutant: str) -> None:
    """The finding says what is wrong, with which seed, and draws the calls that show it.

    Which wrong the calls show first depends on how the threads take turns; that each is told from the others is
    tested with histories, in test_conformance_linearizability.py.
    """
    result = _try(mutant, INSTANCES, seed=3)
    assert result.status == "fail"
    assert result.clauses == ("RDZV-CAS-12",)
    assert any(f"(seed 3): {each.says}." in result.message for each in Fault), result.message
    assert "(seed 3)" in result.message
    assert "├─1" in result.message
