"""RDZV-STATE-13, STORE-1 and MEMBER-4: what is written stays."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import threading
import time

from rdzv_conformance.contract.labels import clause, last
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Untested, equal, that
from rdzv_conformance.harness.kept import KEY, STORE, VALUE, Kept
from rdzv_core import StateSnapshot, SupportsMembership, SupportsStore

SOON = 5.0
LEAST_AGE = 6.0
AGE_WHERE_KEYS_EXPIRE = 62.0
"""Seconds: five and sixty are what keys are commonly given in stores that let them expire."""


class Lasting:
    """A state is there until somebody replaces or deletes it."""

    @last
    @clause("RDZV-STATE-13")
    def test_RDZV_STATE_13_a_state_stays_though_nobody_touches_it(self, under_test: BackendUnderTest) -> None:
        """What was written before the first test is there after all others, under its token."""
        kept = _kept(under_test)
        _await_age(under_test, kept.written)
        register, age = under_test.open(kept.run_id), kept.age()
        found = register.get_state()
        that(
            found is not None,
            f"a state that was written {age:.0f} s ago is gone: nobody has replaced or deleted it, and no key expires",
        )
        equal(f"a state that was written {age:.0f} s ago, with its token,", found, kept.snapshot)
        kept.replaced(StateSnapshot(b"kept", register.write(b"kept", kept.snapshot.token)))

    @last
    @clause("RDZV-STORE-1")
    def test_RDZV_STORE_1_a_key_stays_though_nobody_touches_it(self, under_test: BackendUnderTest) -> None:
        """What was set before the first test is there after all others."""
        under_test.needs(SupportsStore, under_test.open())
        kept = _kept(under_test)
        if kept.key_set is None:
            raise Untested("no key could be set before the first test")
        _await_age(under_test, kept.key_set)
        store = under_test.needs(SupportsStore, under_test.open(kept.run_id)).store(STORE)
        age = time.monotonic() - kept.key_set
        told = f"a key that was set {age:.0f} s ago is gone: nobody has deleted it, and a key stays until somebody does"
        that(store.check([KEY]), told)
        equal("its value", store.get(KEY, under_test.paced(SOON)), VALUE)

    @last
    @clause("RDZV-MEMBER-4")
    def test_RDZV_MEMBER_4_a_member_stays_for_its_ttl(self, under_test: BackendUnderTest) -> None:
        """Who entered for long before the first test, and did not renew, is there after all others."""
        under_test.needs(SupportsMembership, under_test.open())
        kept = _kept(under_test)
        if kept.lease is None:
            raise Untested("no member could enter before the first test")
        _await_age(under_test, kept.entered)
        members = under_test.needs(SupportsMembership, under_test.open(kept.run_id)).members()
        age, ttl = time.monotonic() - kept.entered, kept.lease.ttl
        told = f"a member that entered {age:.0f} s ago for {ttl:.0f} s is gone: it stays for its ttl"
        that(kept.lease.id in [each.id for each in members.members], told)


def _kept(under_test: BackendUnderTest) -> Kept:
    if under_test.target.kept is None:
        raise Untested("no state could be written before the first test")
    return under_test.target.kept


def _await_age(under_test: BackendUnderTest, since: float) -> None:
    """Wait until what was written then would be gone: there is nothing to await but time."""
    expire = under_test.shared_by_processes() and under_test.helpers.expires is not False
    least = AGE_WHERE_KEYS_EXPIRE if expire else LEAST_AGE
    threading.Event().wait(max(0.0, since + least - time.monotonic()))
