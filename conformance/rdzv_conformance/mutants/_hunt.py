"""Running the suite on a mutant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from rdzv_conformance.contract.clauses import catalogue
from rdzv_conformance.contract.labels import clauses_of, is_resting
from rdzv_conformance.harness.load import slowness
from rdzv_conformance.harness.target import Target
from rdzv_conformance.mutants._catalogue import rest_of_baseline
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.run.anchor import Anchor
from rdzv_conformance.run.certify import certify
from rdzv_conformance.run.results import TestResult, with_what_was_left
from rdzv_conformance.run.runner import run_test, select_tests
from rdzv_conformance.suite import Suite

PRELOAD = "rdzv_conformance.mutants:install"
PATIENCE = 3.0

SLOW = frozenset(
    f"RDZV-{number}"
    for number in (
        *("STATE-12", "STATE-13", "CAS-10", "CAS-13", "CAS-14"),
        *(f"CONN-{number}" for number in range(4, 12)),
        *("LIFE-4", "PKG-5", "MEMBER-3", "MEMBER-4", "MEMBER-8", "MEMBER-10"),
    )
)
"""Clauses whose tests start processes or wait for timeouts: tried on the mutants that break them, and on no other."""


@contextmanager
def target_for(mutant: Mutant, patience: float = PATIENCE) -> Iterator[Target]:
    """Return the target that a backend of this package is, with its store while the context lasts."""
    with mutant.setting() as place:
        yield Target(mutant.name, place.endpoint, place.options, place.helpers, (PRELOAD,), patience * slowness())


def run_all(mutant: Mutant, tests: Iterable[str], patience: float = PATIENCE) -> list[TestResult]:
    """Run tests on a backend of this package, which `install` has registered."""
    with target_for(mutant, patience) as target, Anchor(target) as anchor:
        target = replace(target, kept=anchor.target.kept)
        return [run_test(target, test) for test in tests]


def tests_for(mutant: Mutant) -> list[str]:
    """Return the tests of the profiles that a mutant breaks, but no slow ones of clauses that it does not break."""
    broken = set(mutant.breaks)
    profiles = {catalogue()[number].profile for number in mutant.breaks}

    def is_tried(test: object) -> bool:
        numbers = set(clauses_of(test))
        return not numbers & (SLOW - broken) and (bool(numbers & broken) or not is_resting(test))

    return [name for name in select_tests(profiles) if is_tried(getattr(Suite, name))]


def caught_by(mutant: Mutant) -> list[TestResult]:
    """Run the suite on a mutant; return the results of the tests that failed."""
    if mutant.in_a_child:
        return _certified(mutant)
    results = with_what_was_left(run_all(mutant, tests_for(mutant)))
    return [each for each in results if each.status in ("fail", "error")]


def _certified(mutant: Mutant) -> list[TestResult]:
    report = certify(mutant.name, "mutants", {}, ("core",), preload=(PRELOAD,), patience=PATIENCE)
    return [
        TestResult(each.clause, (each.clause,), each.status, each.message)
        for each in (*report.of("fail"), *report.of("error"))
    ]


def failing_clauses(results: Iterable[TestResult]) -> dict[str, list[str]]:
    """Return the findings by clause, without those about whatever is registered in code."""
    found: dict[str, list[str]] = {}
    for result in with_what_was_left(results):
        for number in result.clauses:
            if result.status in ("fail", "error") and number not in rest_of_baseline():
                found.setdefault(number, []).append(result.message)
    return found
