"""Setting the suite on a mutant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext

from rdzv_conformance.clauses import catalogue, clauses_of
from rdzv_conformance.helpers import corrupt_memory
from rdzv_conformance.mutants._catalogue import Mutant, rest_of_baseline
from rdzv_conformance.mutants._remote import remote_store
from rdzv_conformance.results import TestResult
from rdzv_conformance.runner import Anchor, run_test, select_tests
from rdzv_conformance.suite import Suite
from rdzv_conformance.target import Helpers, Target

PRELOAD = "rdzv_conformance.mutants:install"
PATIENCE = 5.0

SLOW = frozenset({"RDZV-CAS-10", "RDZV-CAS-13", "RDZV-CONN-4", "RDZV-CONN-6", "RDZV-LIFE-4", "RDZV-PKG-5"})
"""Clauses whose tests start processes or wait for timeouts: tried on the mutants that break them, and on no other."""


@contextmanager
def target_for(name: str, remote: bool) -> Iterator[Target]:
    """Give the target that a registered backend of this package is, with its store while the context lasts."""
    with remote_store() if remote else nullcontext("mutants") as endpoint:
        helpers = Helpers() if remote else Helpers(corrupt=corrupt_memory)
        yield Target(name, endpoint, {}, helpers, (PRELOAD,), PATIENCE)


def run_all(name: str, remote: bool, tests: Iterable[str]) -> list[TestResult]:
    """Run tests on a backend of this package, which `install` has registered."""
    with target_for(name, remote) as target, Anchor(target):
        return [run_test(target, test) for test in tests]


def caught_by(mutant: Mutant) -> list[TestResult]:
    """Run the profiles that a mutant breaks, core in any case; give the results of the tests that failed."""
    elsewhere = SLOW - set(mutant.breaks)
    profiles = {"core", *(catalogue()[number].profile for number in mutant.breaks)}
    tests = [name for name in select_tests(profiles) if not elsewhere & set(clauses_of(getattr(Suite, name)))]
    return [result for result in run_all(mutant.name, mutant.remote, tests) if result.status in ("fail", "error")]


def failing_clauses(results: Iterable[TestResult]) -> dict[str, list[str]]:
    """Give the findings by clause, without those about whatever is registered in code."""
    found: dict[str, list[str]] = {}
    for result in results:
        for number in result.clauses:
            if result.status in ("fail", "error") and number not in rest_of_baseline():
                found.setdefault(number, []).append(result.message)
    return found
