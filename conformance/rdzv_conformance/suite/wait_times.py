"""RDZV-WATCH-1, 4, 5 and 8: tokens of every type, and timeouts to the tenth of a second."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import time
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, equal, shown, shown_error, that
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.threads import Running
from rdzv_conformance.harness.wakes import Wakes, listed
from rdzv_conformance.suite.malformed import MALFORMED
from rdzv_core import StateSnapshot, SupportsDelete, SupportsWatch

LONG = 30.0
SOON = 5.0
SHORT = 0.2
TIMEOUTS = (0.05, 0.3, 1.2)
AT_ONCE = 3
TRIES = 3
CLOCK_TOLERANCE = 0.01
CALLS, LAST = 300, 0.3
"""Calls while one waits, more than 8 bits can number; and the seconds after which it is enough of them."""


class WaitTimes:
    """A wait takes any token, and the time that it is given."""

    @clause("RDZV-WATCH-1")
    def test_RDZV_WATCH_1_a_malformed_token_is_not_the_current_one(self, under_test: BackendUnderTest) -> None:
        """Of any type, with time and without: the wait ends at once, with what is there."""
        register = under_test.open()
        under_test.needs(SupportsWatch, register)
        _end_at_once(under_test, register, MALFORMED, None, "where there is no state")
        there = StateSnapshot(b"there", register.write(b"there"))
        _end_at_once(under_test, register, MALFORMED, there, "where there is a state")

    @clause("RDZV-WATCH-8")
    def test_RDZV_WATCH_8_without_time_a_wait_looks_at_its_token(self, under_test: BackendUnderTest) -> None:
        """With a stale token, or that of a deleted state, a look is told of the change."""
        register = under_test.open()
        under_test.needs(SupportsWatch, register)
        first = register.write(b"first")
        there = StateSnapshot(b"second", register.write(b"second", first))
        for timeout in (0, 0.0, 1e-9, 1e-4):
            gave = register.wait_state(first, timeout)
            equal(f"what wait_state(stale token, {timeout}) gave", gave, (True, there))
        if isinstance(register.backend, SupportsDelete):
            register.delete_state()
            for timeout in (0, 1e-9):
                gave = register.wait_state(there.token, timeout)
                equal(f"what wait_state(token of a deleted state, {timeout}) gave", gave, (True, None))
                equal(f"what wait_state(None, {timeout}) gave", register.wait_state(None, timeout), (False, None))

    @clause("RDZV-WATCH-4")
    def test_RDZV_WATCH_4_a_wait_ends_when_its_time_is_over(self, under_test: BackendUnderTest) -> None:
        """Waits of 0.05, 0.3 and 1.2 s, side by side: each ends then, not before, and not later."""
        register = under_test.open()
        under_test.needs(SupportsWatch, register)
        token = register.write(b"there")
        wakes = Wakes(under_test, register.get_state)
        late: dict[float, list[float]] = {timeout: [] for timeout in TIMEOUTS}
        for _ in range(TRIES):  # of which the best counts: a machine that stood still has shown nothing
            begun = [(timeout, Running(_took, register, token, timeout)) for timeout in late for _ in range(AT_ONCE)]
            for timeout, each in begun:
                limit = timeout + under_test.target.patience
                took = each.result(limit, f"wait_state(current token, {timeout}) has not returned after {limit:.0f} s")
                told = f"wait_state(current token, {timeout}) gave up after {took:.3f} s already"
                that(took >= timeout - CLOCK_TOLERANCE, told)
                late[timeout].append(took)
            allowed = wakes.allowed()
            late = {timeout: took for timeout, took in late.items() if min(took) > timeout + allowed}
            if not late:
                return
        told = "; ".join(
            f"wait_state(current token, {timeout}) in vain took {listed(took)} s" for timeout, took in late.items()
        )
        raise ClauseFailed(f"{told}: it must end after its timeout, here {allowed:.2f} s later at most")

    @clause("RDZV-WATCH-5")
    def test_RDZV_WATCH_5_a_wait_outlasts_hundreds_of_calls(self, under_test: BackendUnderTest) -> None:
        """The instance makes hundreds of calls while a thread waits: no answer is taken for another's."""
        register, writer = under_test.open(), under_test.open()
        under_test.needs(SupportsWatch, register)
        token = writer.write(b"there")
        waiting = Running(register.wait_state, token, under_test.paced(LONG))
        that(
            not waiting.ended(under_test.paced(SHORT)), "wait_state(current token) returned though nothing had changed"
        )
        ends = time.monotonic() + under_test.paced(LAST)
        for number in range(CALLS):
            equal(f"what get_state() number {number} gave while a wait is on", register.get_state(), (b"there", token))
            if time.monotonic() > ends:
                break
        that(not waiting.ended(0), f"a wait ended after {number} other calls though nothing had changed")
        newer = writer.write(b"next", token)
        limit = under_test.paced(SOON)
        after = f"a write that came after {number} other calls"
        gave = waiting.result(limit, f"wait_state(current token) has not returned {limit:.0f} s after {after}")
        equal(f"what wait_state(current token) gave after {after}", gave, (True, StateSnapshot(b"next", newer)))


def _end_at_once(
    under_test: BackendUnderTest, register: Register, tokens: tuple[Any, ...], there: StateSnapshot | None, where: str
) -> None:
    limit = under_test.paced(SOON)
    begun = [
        (f"wait_state({shown(token, 40)}, {timeout}) {where}", Running(register.wait_state, token, timeout))
        for token in tokens
        for timeout in (0, under_test.paced(LONG))
    ]
    for what, each in begun:
        try:
            gave = each.result(limit, f"{what} has not returned after {limit:.0f} s: that is not the current token")
        except ClauseFailed:
            raise
        except Exception as error:
            raise ClauseFailed(f"{what} raised {shown_error(error)}: a token of any type is compared") from error
        equal(f"what {what} gave", gave, (True, there))


def _took(register: Register, token: Any, timeout: float) -> float:
    began = time.monotonic()
    gave = register.wait_state(token, timeout)
    took = time.monotonic() - began
    equal(f"what wait_state(current token, {timeout}) gave in vain", gave, (False, (b"there", token)))
    return took
