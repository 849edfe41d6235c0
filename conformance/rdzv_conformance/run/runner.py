"""Running tests without pytest: which tests there are for a profile, and running one of them."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rdzv_conformance.contract.clauses import catalogue
from rdzv_conformance.contract.labels import clauses_of, names_of_tests
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.execution import execute
from rdzv_conformance.harness.expect import concerned
from rdzv_conformance.harness.leaks.detector import Leaked
from rdzv_conformance.harness.target import Target
from rdzv_conformance.run.results import TestResult, status_of
from rdzv_conformance.suite import Suite
from rdzv_core import RendezvousBackend, SupportsMembership, SupportsStore, SupportsWatch

_CLAIMS: dict[str, type] = {"watch": SupportsWatch, "membership": SupportsMembership, "store": SupportsStore}


def claimed_profiles(backend: RendezvousBackend) -> tuple[str, ...]:
    """Return the profiles that a backend claims by the capabilities it has."""
    capabilities = [profile for profile, capability in _CLAIMS.items() if isinstance(backend, capability)]
    return ("core", *capabilities, *(profile for profile in ("durable", "secure") if getattr(backend, profile, False)))


def select_tests(profiles: Iterable[str]) -> list[str]:
    """Return the names of the tests of `profiles`, in the order of the catalogue."""
    wanted = set(profiles)
    return [
        name
        for name in names_of_tests(Suite)
        if any(catalogue()[number].profile in wanted for number in clauses_of(getattr(Suite, name)))
    ]


def run_test(target: Target, name: str) -> TestResult:
    """Run one test. Never raises what a backend raises: that is the result."""
    began = time.monotonic()
    test = getattr(Suite(), name)
    error: BaseException | None = None
    try:
        execute(test, BackendUnderTest(target))
    except KeyboardInterrupt:
        raise  # from the terminal: a backend's own is a finding by now
    except BaseException as raised:  # noqa: BLE001 - whatever it is, it is this test's result
        error = raised
    left: tuple[str, ...] = ()
    if isinstance(error, Leaked):
        left, error = error.left, error.own
    status, message = status_of(error)
    seconds = round(time.monotonic() - began, 3)
    return TestResult(name, concerned(error, clauses_of(test)), status, message, seconds, left)
