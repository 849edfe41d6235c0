"""RDZV-WATCH-1 and 4, SUBMIT-1: waits that are longer than the timeout of a call, and rest for seconds."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import time
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Blamed, ClauseFailed, equal, shown, shown_error
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.submitted import Submitter
from rdzv_conformance.harness.threads import Running
from rdzv_core import StateSnapshot, SupportsWatch

REST = 3.0
LONGER = 1.0
LONG = 60.0
SOON = 5.0
CLOCK_TOLERANCE = 0.01


class LongWaits:
    """A wait has the time that it is given: the timeout of a call is for the store's answers."""

    @clause("RDZV-WATCH-1", "RDZV-WATCH-4")
    def test_RDZV_WATCH_4_a_wait_may_be_longer_than_the_timeout_of_a_call(self, under_test: BackendUnderTest) -> None:
        """On an instance with short timeouts, and on a usual one: in vain it ends in its time, else with the change."""
        under_test.needs(SupportsWatch, under_test.open())
        usual = under_test.open()
        token = usual.write(b"there")
        impatient, timeout = _impatient(under_test)
        in_vain = Running(_took, impatient, token, timeout)
        waits = {
            "of an instance with short timeouts": Running(impatient.wait_state, token, under_test.paced(LONG)),
            "of a usual instance": Running(usual.wait_state, token, under_test.paced(LONG)),
        }
        limit = timeout + under_test.paced(SOON)
        what = f"wait_state(current token, {timeout}), on an instance with short timeouts,"
        took = _blamed("RDZV-WATCH-4", what, in_vain, limit)
        if took < timeout - CLOCK_TOLERANCE:
            raise Blamed(f"{what} gave up after {took:.3f} s already", ("RDZV-WATCH-4",))
        for whose, each in waits.items():
            if each.ended(0):
                what = f"wait_state(current token) {whose}, without a change"
                gave = _blamed("RDZV-WATCH-4", what, each, 0)
                raise Blamed(f"{what}, gave {shown(gave)} within {took:.1f} s: it must go on", ("RDZV-WATCH-4",))
        newer = usual.write(b"next", token)
        for whose, each in waits.items():
            what = f"wait_state(current token) {whose}, that had rested for {took:.1f} s when a write came,"
            gave = _blamed("RDZV-WATCH-1", what, each, under_test.paced(SOON))
            if gave != (True, StateSnapshot(b"next", newer)):
                raise Blamed(f"{what} gave {shown(gave)}", ("RDZV-WATCH-1",))

    @clause("RDZV-SUBMIT-1")
    def test_RDZV_SUBMIT_1_a_submitted_wait_may_be_longer_than_the_timeout_of_a_call(
        self, under_test: BackendUnderTest
    ) -> None:
        """On an instance with short timeouts it goes on, and ends with the change."""
        Submitter(under_test, under_test.open().backend, "wait_state")
        impatient, timeout = _impatient(under_test)
        writer = under_test.open()
        token = writer.write(b"there")
        waiting = Submitter(under_test, impatient.backend).begin("wait_state", token, under_test.paced(LONG))
        if waiting.ended(timeout):
            raise ClauseFailed(f"{waiting.what} ended within {timeout:.1f} s, without a change: {shown(waiting.ends)}")
        newer = writer.write(b"next", token)
        gave = waiting.result(under_test.paced(SOON))
        equal(f"{waiting.what} after {timeout:.1f} s and a write", gave, (True, StateSnapshot(b"next", newer)))


def _impatient(under_test: BackendUnderTest) -> tuple[Register, float]:
    """Return an instance with short timeouts, where it has such options, and seconds that are longer."""
    options = under_test.target.impatient()
    register = under_test.open(**under_test.target.as_client(), **options) if options else under_test.open()
    return register, max(REST, sum(options.values()) + LONGER)


def _took(register: Register, token: Any, timeout: float) -> float:
    began = time.monotonic()
    gave = register.wait_state(token, timeout)
    equal(f"what wait_state(current token, {timeout}) gave in vain", gave, (False, (b"there", token)))
    return time.monotonic() - began


def _blamed(number: str, what: str, running: Running[Any], within: float) -> Any:
    """Return the result; an error, or that there is none, is a finding of that clause."""
    try:
        return running.result(within, f"{what} has not returned after {within:.0f} s")
    except ClauseFailed as failed:
        raise Blamed(str(failed), (number,)) from failed
    except Exception as error:
        raise Blamed(f"{what} raised {shown_error(error)}: the store is well", (number,)) from error
