"""RDZV-WATCH-6, MEMBER-16, STORE-7: a call that waits holds up no other, of whatever kind."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import time

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, that
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.threads import Running
from rdzv_conformance.harness.waits import Waits
from rdzv_core import SupportsMembership, SupportsStore, SupportsWatch

AT_ONCE, MORE_AT_ONCE = 40, 104
QUICK = 0.002
"""Seconds that a read takes at most where more threads wait: a connection may have a hundred streams."""
READS = 3
LONG = 60.0
SHORT = 0.3
SOON = 6.0


class HoldingUp:
    """While one kind of call waits, all kinds are made."""

    @clause("RDZV-WATCH-6")
    def test_RDZV_WATCH_6_a_wait_for_a_state_holds_up_nothing(self, under_test: BackendUnderTest) -> None:
        """Many threads wait for the state; calls of every kind return, and another wait ends in its own time."""
        under_test.needs(SupportsWatch, under_test.open())
        _holds_up_nothing(under_test, "wait_state")

    @clause("RDZV-MEMBER-16")
    def test_RDZV_MEMBER_16_a_wait_for_members_holds_up_nothing(self, under_test: BackendUnderTest) -> None:
        """Many threads wait for the members; calls of every kind return, and another wait ends in its own time."""
        under_test.needs(SupportsMembership, under_test.open())
        _holds_up_nothing(under_test, "wait_members")

    @clause("RDZV-STORE-7")
    def test_RDZV_STORE_7_a_wait_for_keys_holds_up_nothing(self, under_test: BackendUnderTest) -> None:
        """Threads wait in get, multi_get and wait; calls of every kind return, and another wait ends in time."""
        under_test.needs(SupportsStore, under_test.open())
        _holds_up_nothing(under_test, "get of a store", "multi_get of a store", "wait of a store")


def _holds_up_nothing(under_test: BackendUnderTest, *waiting: str) -> None:
    register = under_test.open()
    register.write(b"there")
    waits = Waits(under_test, register)
    kinds, entering = waits.kinds(), waits.entering()
    kinds = waits.kinds()  # anew: somebody has entered
    at_once = _at_once(register)
    begun = [Running(kinds[waiting[number % len(waiting)]], under_test.paced(LONG)) for number in range(at_once)]
    that(not begun[0].ended(under_test.paced(SHORT)), f"{waiting[0]} returned though nothing had changed")
    by = f"while {at_once} threads wait in {' and '.join(waiting)} of one instance"
    calls = {what: Running(call) for what, call in waits.quick().items()}
    again = {f"{what} with a timeout of {SHORT} s": Running(call, SHORT) for what, call in kinds.items()}
    limit = under_test.paced(SOON)
    for what, running in (*calls.items(), *again.items()):
        running.result(limit, f"{what} has not returned after {limit:.0f} s {by}: a wait must hold up no other call")
    that(not any(each.ended(0) for each in begun), f"{waiting[0]} returned though nothing had changed")
    for what, running in {what: Running(call) for what, call in entering.items()}.items():
        running.result(limit, f"{what} has not returned after {limit:.0f} s {by}: a wait must hold up no other call")
    Running(waits.change).result(limit, f"a write has not returned after {limit:.0f} s {by}")
    for each in begun:
        if each.result(limit, f"a wait has not ended {limit:.0f} s after what it waits for came") is False:
            raise ClauseFailed(f"{' or '.join(waiting)} ended in vain, though what it waits for came")


def _at_once(register: Register) -> int:
    began = time.monotonic()
    for _ in range(READS):
        register.get_state()
    return MORE_AT_ONCE if time.monotonic() < began + READS * QUICK else AT_ONCE
