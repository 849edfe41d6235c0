"""RDZV-STATE-13: what is written stays."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import threading

from rdzv_conformance.contract.labels import clause, last
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Untested, equal, that
from rdzv_core import StateSnapshot

LEAST_AGE = 6.0
AGE_WHERE_KEYS_EXPIRE = 62.0
"""Seconds: five and sixty are what keys are commonly given in stores that let them expire."""


class Lasting:
    """A state is there until somebody replaces or deletes it."""

    @last
    @clause("RDZV-STATE-13")
    def test_RDZV_STATE_13_a_state_stays_though_nobody_touches_it(self, under_test: BackendUnderTest) -> None:
        """What was written before the first test is there after all others, under its token."""
        kept = under_test.target.kept
        if kept is None:
            raise Untested("no state could be written before the first test")
        expire = under_test.shared_by_processes() and under_test.helpers.expires is not False
        least = AGE_WHERE_KEYS_EXPIRE if expire else LEAST_AGE
        threading.Event().wait(max(0.0, least - kept.age()))  # until it would be gone: there is nothing to await
        register, age = under_test.open(kept.run_id), kept.age()
        found = register.get_state()
        that(
            found is not None,
            f"a state that was written {age:.0f} s ago is gone: nobody has replaced or deleted it, and no key expires",
        )
        equal(f"a state that was written {age:.0f} s ago, with its token,", found, kept.snapshot)
        kept.replaced(StateSnapshot(b"kept", register.write(b"kept", kept.snapshot.token)))
