"""The clauses about many at once: the reference backend passes with every seed, broken ones are drawn."""

from __future__ import annotations

import pytest
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
    ("mutant", "words"),
    [
        ("checks-then-writes", ("each token has one winner",)),
        ("equal-bytes-win", ("equal bytes", "two writes have the same token", "was there before")),
        (
            "reads-its-own-cache",
            ("after it had been replaced", "still the one before it", "no order", "then there was"),
        ),
        ("none-overwrites", ("without a token", "no order", "one winner", "no state")),
        ("token-is-the-value", ("same token", "token that", "token is the one that", "equal bytes", "used up")),
    ],
)
def test_a_broken_backend_is_caught_and_drawn(mutant: str, words: tuple[str, ...]) -> None:
    """The finding says what is wrong, with which seed, and draws the calls that show it."""
    result = _try(mutant, INSTANCES, seed=3)
    assert result.status == "fail"
    assert result.clauses == ("RDZV-CAS-12",)
    assert any(each in result.message for each in words), result.message
    assert "(seed 3)" in result.message
    assert "├─1" in result.message
