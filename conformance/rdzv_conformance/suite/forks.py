"""RDZV-CONN-10 and 11: forks while everybody is busy."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import os

from rdzv_conformance.checks.linearizability import from_json
from rdzv_conformance.checks.linearizability.recording import least_steps
from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Unsupported
from rdzv_conformance.suite.concurrency import judge_history
from rdzv_conformance.suite.processes import in_another_process


class Forks:
    """A fork shares no connection, no lock and no thread."""

    @clause("RDZV-CONN-10")
    def test_RDZV_CONN_10_both_sides_of_a_fork_get_their_own_answers(self, under_test: BackendUnderTest) -> None:
        """Parent and children read and write at once: what they were told is what a fenced register tells."""
        needs_forks(under_test)
        seed, least = under_test.random.getrandbits(32), least_steps(under_test.open())
        answer = in_another_process(under_test, "fork_and_hammer", seed=str(seed), least=least)
        judge_history(under_test, "both sides of a fork", [[from_json(fields) for fields in answer["history"]]])

    @clause("RDZV-CONN-11")
    def test_RDZV_CONN_11_a_fork_amidst_calls_leaves_both_sides_usable(self, under_test: BackendUnderTest) -> None:
        """Threads call, wait and open while the process forks: no child hangs, and what it closes ends nothing here."""
        needs_forks(under_test)
        in_another_process(under_test, "fork_amidst")


def needs_forks(under_test: BackendUnderTest) -> None:
    """Go on only where processes fork."""
    if not hasattr(os, "fork"):
        raise Unsupported("this system has no fork")
    under_test.needs_other_processes()
