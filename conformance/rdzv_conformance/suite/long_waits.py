"""RDZV-WATCH-1 and 4, MEMBER-7, STORE-2 and 13, SUBMIT-1: waits longer than the timeout of a call, that rest."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rdzv_conformance.contract.labels import clause, rests
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Blamed, ClauseFailed, Unsupported, shown, shown_error
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.submitted import Submitter
from rdzv_conformance.harness.threads import Running
from rdzv_core import RendezvousTimeoutError, StateSnapshot, SupportsMembership, SupportsStore, SupportsWatch

REST = 5.2
"""Seconds: five are what the clients of stores commonly wait for an answer."""
LONGER = 1.0
LONG = 60.0
SOON = 5.0
TTL = 600.0
CLOCK_TOLERANCE = 0.01
USUAL, IMPATIENT = "of a usual instance", "of an instance with short timeouts"


class _Wait(NamedTuple):
    """Something to wait for, by instances of both kinds."""

    what: str
    ways: dict[str, Callable[[float], Any]]
    in_vain: Any
    change: Callable[[], Any]
    """Makes the change, and returns what a wait gives then."""


class LongWaits:
    """A wait has the time that it is given: the timeout of a call is for the store's answers."""

    @rests
    @clause("RDZV-WATCH-1", "RDZV-WATCH-4")
    def test_RDZV_WATCH_4_a_wait_may_be_longer_than_the_timeout_of_a_call(self, under_test: BackendUnderTest) -> None:
        """On an instance with short timeouts, and on a usual one: in vain it ends in its time, else with the change."""
        under_test.needs(SupportsWatch, under_test.open())
        usual, (impatient, timeout) = under_test.open(), _impatient(under_test)
        wait = _for_a_state(
            usual, {USUAL: usual.wait_state, IMPATIENT: impatient.wait_state}, "wait_state(current token, …)"
        )
        _rest_and_change(under_test, [wait], timeout, "RDZV-WATCH-4", "RDZV-WATCH-1")

    @rests
    @clause("RDZV-MEMBER-7")
    def test_RDZV_MEMBER_7_a_wait_may_be_longer_than_the_timeout_of_a_call(self, under_test: BackendUnderTest) -> None:
        """As a wait for a state may: whatever else ends after five seconds, or with an instance's timeouts."""
        usual, (impatient, timeout) = under_test.open(), _impatient(under_test)
        ways = {
            whose: under_test.needs(SupportsMembership, each).wait_members
            for whose, each in ((USUAL, usual), (IMPATIENT, impatient))
        }
        wait = _for_members(under_test.needs(SupportsMembership, usual), ways, "wait_members(current version, …)")
        _rest_and_change(under_test, [wait], timeout, "RDZV-MEMBER-7", "RDZV-MEMBER-7")

    @rests
    @clause("RDZV-STORE-2", "RDZV-STORE-13")
    def test_RDZV_STORE_13_a_wait_may_be_longer_than_the_timeout_of_a_call(self, under_test: BackendUnderTest) -> None:
        """So may those of get, multi_get and wait."""
        usual, (impatient, timeout) = under_test.open(), _impatient(under_test)
        writer, other = (under_test.needs(SupportsStore, each).store("rests") for each in (usual, impatient))
        waits = []
        for method in ("get", "multi_get", "wait"):
            ways = {whose: getattr(each, method) for whose, each in ((USUAL, writer), (IMPATIENT, other))}
            waits.append(_for_a_key(method, writer, ways, f"{method} of a key that is not there"))
        _rest_and_change(under_test, waits, timeout, "RDZV-STORE-13", "RDZV-STORE-2")

    @rests
    @clause("RDZV-SUBMIT-1")
    def test_RDZV_SUBMIT_1_a_submitted_wait_may_be_longer_than_the_timeout_of_a_call(
        self, under_test: BackendUnderTest
    ) -> None:
        """On an instance with short timeouts, and on a usual one, it goes on, and ends with the change."""
        usual, (impatient, timeout) = under_test.open(), _impatient(under_test)
        waits = [*_submitted(under_test, usual, impatient)]
        if not waits:
            raise Unsupported("no wait can be submitted")
        _rest_and_change(under_test, waits, timeout, "RDZV-SUBMIT-1", "RDZV-SUBMIT-1")


def _for_a_state(writer: Register, ways: Mapping[str, Callable[[Any, float], Any]], what: str) -> _Wait:
    token = writer.write(b"there")

    def change() -> Any:
        return True, StateSnapshot(b"next", writer.write(b"next", token))

    def of(way: Callable[[Any, float], Any]) -> Callable[[float], Any]:
        return lambda timeout: way(token, timeout)

    return _Wait(what, {whose: of(way) for whose, way in ways.items()}, (False, (b"there", token)), change)


def _for_members(writer: Any, ways: Mapping[str, Callable[[Any, float], Any]], what: str) -> _Wait:
    version = writer.members().version

    def change() -> Any:
        writer.enter(b"comes", TTL)
        return True

    def of(way: Callable[[Any, float], Any]) -> Callable[[float], Any]:
        return lambda timeout: way(version, timeout)

    return _Wait(what, {whose: of(way) for whose, way in ways.items()}, False, change)


def _for_a_key(method: str, writer: Any, ways: Mapping[str, Callable[[Any, float], Any]], what: str) -> _Wait:
    key = f"for {method}"

    def change() -> Any:
        writer.set(key, b"there")
        return {"get": b"there", "multi_get": [b"there"], "wait": None}[method]

    def of(way: Callable[[Any, float], Any]) -> Callable[[float], Any]:
        return lambda timeout: way(key if method == "get" else [key], timeout)

    return _Wait(what, {whose: of(way) for whose, way in ways.items()}, RendezvousTimeoutError, change)


def _submitted(under_test: BackendUnderTest, usual: Register, impatient: Register) -> list[_Wait]:
    """Return the waits that can be submitted."""

    def ways(method: str, *targets: Any) -> dict[str, Callable[[Any, float], Any]]:
        def of(target: Any) -> Callable[[Any, float], Any]:
            at, limit = Submitter(under_test, target), under_test.paced(LONG)
            return lambda awaited, timeout: at.begin(method, awaited, timeout).result(limit)

        return {whose: of(target) for whose, target in zip((USUAL, IMPATIENT), targets, strict=True)}

    def can(target: Any, method: str) -> bool:
        return method in getattr(target, "submittable", ())

    waits, backends = [], (usual.backend, impatient.backend)
    if can(usual.backend, "wait_state"):
        waits.append(_for_a_state(usual, ways("wait_state", *backends), "the submitted wait_state(current token, …)"))
    if can(usual.backend, "wait_members"):
        members = under_test.needs(SupportsMembership, usual)
        what = "the submitted wait_members(current version, …)"
        waits.append(_for_members(members, ways("wait_members", *backends), what))
    if isinstance(usual.backend, SupportsStore):
        writer = under_test.needs(SupportsStore, usual).store("rests")
        stores = [each.call("store('rests')", each.backend.store, "rests") for each in (usual, impatient)]  # type: ignore[attr-defined]
        waits += [
            _for_a_key(method, writer, ways(method, *stores), f"the submitted {method} of a key that is not there")
            for method in ("get", "multi_get", "wait")
            if can(stores[0], method)
        ]
    return waits


def _rest_and_change(
    under_test: BackendUnderTest, waits: Sequence[_Wait], timeout: float, of_time: str, of_change: str
) -> None:
    """Let each wait be in vain for `timeout`, and another one on an instance of each kind rest so long for a change.

    A wait that ends early, or late, is a finding of the clause `of_time`; one that is not woken one of `of_change`.
    """
    begun = [
        (
            wait,
            Running(_timed, wait.ways[IMPATIENT], timeout),
            {whose: Running(_timed, way, under_test.paced(LONG)) for whose, way in wait.ways.items()},
        )
        for wait in waits
    ]
    limit = timeout + under_test.paced(SOON)
    for wait, in_vain, _ in begun:
        what = f"{wait.what} {IMPATIENT}, for {timeout:.1f} s,"
        gave, took = _blamed(of_time, what, in_vain, limit)
        if took < timeout - CLOCK_TOLERANCE:
            raise Blamed(f"{what} gave up after {took:.3f} s already, with {shown(gave)}", (of_time,))
        if gave != wait.in_vain:
            raise Blamed(f"{what} gave {shown(gave)} in vain, and not {shown(wait.in_vain)}", (of_time,))
    for wait, _, resting in begun:
        for whose, each in resting.items():
            if each.ended(0):
                what = f"{wait.what} {whose}, without a change,"
                gave, took = _blamed(of_time, what, each, 0)
                raise Blamed(f"{what} ended after {took:.1f} s with {shown(gave)}: it must go on", (of_time,))
    for wait, _, resting in begun:
        expected = wait.change()
        for whose, each in resting.items():
            what = f"{wait.what} {whose}, that had rested for {timeout:.1f} s when the change came,"
            gave, _ = _blamed(of_change, what, each, under_test.paced(SOON))
            if gave != expected:
                raise Blamed(f"{what} gave {shown(gave)}, and not {shown(expected)}", (of_change,))


def _impatient(under_test: BackendUnderTest) -> tuple[Register, float]:
    """Return an instance with short timeouts, where it has such options, and seconds that are longer."""
    options = under_test.target.impatient()
    register = under_test.open(**under_test.target.as_client(), **options) if options else under_test.open()
    return register, max(REST, math.fsum(options.values()) + LONGER)


def _timed(wait: Callable[[float], Any], timeout: float) -> tuple[Any, float]:
    """Return what a wait gave, and after how many seconds; a timeout is one of the answers."""
    began = time.monotonic()
    try:
        gave = wait(timeout)
    except RendezvousTimeoutError:
        gave = RendezvousTimeoutError
    return gave, time.monotonic() - began


def _blamed(number: str, what: str, running: Running[Any], within: float) -> Any:
    """Return the result; an error, or that there is none, is a finding of that clause."""
    try:
        return running.result(within, f"{what} has not returned after {within:.0f} s")
    except ClauseFailed as failed:
        raise Blamed(str(failed), (number,)) from failed
    except Exception as error:
        raise Blamed(f"{what} raised {shown_error(error)}: the store is well", (number,)) from error
