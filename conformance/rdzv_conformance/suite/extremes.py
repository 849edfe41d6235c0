"""RDZV-WATCH-8, MEMBER-18, STORE-10 and 11: no time at all, for ever, and numbers that some type cannot hold."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, equal, raises, shown_error, that
from rdzv_conformance.harness.threads import Running
from rdzv_core import (
    MemberLease,
    RendezvousTimeoutError,
    StateSnapshot,
    SupportsMembership,
    SupportsStore,
    SupportsWatch,
)

NO_TIME: tuple[float, ...] = (0, 0.0, 5e-324, 1e-9, 1e-4)
ENDLESS: tuple[float, ...] = (2**31 - 1, 2**31, 2**32, 2.0**31 / 1000, 2**53, 2**63, 2**64, 1e300, math.inf)
"""Seconds: of them, or of the milliseconds or nanoseconds that they are, some type or call holds no such number."""
TTLS: tuple[float, ...] = (2**22, 2**31 - 1, 2**31, 2**32, 2**53, 2**63, 1e300)
COUNTS = (0, 1, 2, 2**31 - 1, 2**31, 2**32, 2**63, 2**64)
AMOUNTS = (1, -1, 2**31 - 1, -(2**31), 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63))
TOO_LARGE = (2**63, 2**64, -(2**63) - 1, 10**30)
SETTLES = 0.3
SOON = 5.0
MOMENT = 0.5


class Extremes:
    """An extreme number is taken at its word, or refused: never for another number."""

    @clause("RDZV-WATCH-8")
    def test_RDZV_WATCH_8_any_timeout_is_taken_at_its_word(self, under_test: BackendUnderTest) -> None:
        """Without time a wait looks once; with more than a clock can count it waits until somebody writes."""
        register, writer = under_test.open(), under_test.open()
        under_test.needs(SupportsWatch, register)
        token = writer.write(b"there")
        there = StateSnapshot(b"there", token)
        for timeout in NO_TIME:
            found = _at_once(under_test, f"wait_state(current token, {timeout})", register.wait_state, token, timeout)
            equal(f"what wait_state(current token, {timeout}) gave", found, (False, there))
            found = _at_once(under_test, f"wait_state(None, {timeout})", register.wait_state, None, timeout)
            equal(f"what wait_state(None, {timeout}) gave where there is a state", found, (True, there))
        waits = {
            f"wait_state(current token, {timeout})": Running(register.backend.wait_state, token, timeout)  # type: ignore[attr-defined]
            for timeout in ENDLESS
        }
        _still_wait(under_test, waits)
        newer = writer.write(b"next", token)
        _all_end(under_test, waits, "after a write", lambda gave: gave == (True, (b"next", newer)))

    @clause("RDZV-WATCH-8")
    def test_RDZV_WATCH_8_close_ends_a_wait_without_end(self, under_test: BackendUnderTest) -> None:
        """A wait that no clock ends is one that close() ends like any other."""
        register = under_test.open()
        under_test.needs(SupportsWatch, register)
        waits = {
            f"wait_state(None, {timeout})": Running(_closed, register.backend.wait_state, None, timeout)  # type: ignore[attr-defined]
            for timeout in (2**63, math.inf)
        }
        _still_wait(under_test, waits)
        register.close()
        _all_end(under_test, waits, "after close()", lambda gave: gave == "a RendezvousConnectionError")

    @clause("RDZV-MEMBER-18")
    def test_RDZV_MEMBER_18_any_timeout_and_any_count_is_taken_at_its_word(self, under_test: BackendUnderTest) -> None:
        """Without time wait_members looks once; without end it waits for a change; first(k) gives at most all."""
        one, other = (under_test.needs(SupportsMembership, under_test.open()) for _ in range(2))
        lease = one.enter(b"there", 60.0)
        second = one.enter(b"there too", 60.0)
        ids = [lease.id, second.id]
        for count in COUNTS:
            found = _told(f"first({count})", other.first, count).members
            equal(f"the members' ids of first({count})", [member.id for member in found], ids[:count])
        version = other.members().version
        for timeout in NO_TIME:
            what = f"wait_members(current version, {timeout})"
            equal(f"what {what} gave", _at_once(under_test, what, other.wait_members, version, timeout), False)
        waits: dict[str, Running[Any]] = {
            f"wait_members(current version, {timeout})": Running(other.wait_members, version, timeout)
            for timeout in ENDLESS
        }
        _still_wait(under_test, waits)
        one.leave(second)
        _all_end(under_test, waits, "after a member left", lambda gave: gave is True)

    @clause("RDZV-MEMBER-18")
    def test_RDZV_MEMBER_18_a_long_ttl_is_kept_or_refused(self, under_test: BackendUnderTest) -> None:
        """A ttl of years: the member is there, and goes on being there; or it is a ValueError, and none enters."""
        one, other = (under_test.needs(SupportsMembership, under_test.open()) for _ in range(2))
        leases: dict[float, MemberLease] = {}
        for ttl in TTLS:
            try:
                leases[ttl] = one.enter(b"%d" % int(min(ttl, 1e18)), ttl)
            except ValueError:
                continue
            except Exception as error:
                raise ClauseFailed(
                    f"enter(…, {ttl}) raised {shown_error(error)}: a ttl that cannot be kept is a ValueError"
                ) from error
        other.wait_members(other.members().version, under_test.paced(MOMENT))
        there = [member.id for member in other.members().members]
        for ttl, lease in leases.items():
            that(lease.id in there, f"a member with a ttl of {ttl} s is gone after {under_test.paced(MOMENT):.1f} s")
            equal(f"what refresh of a member with a ttl of {ttl} s gave", one.refresh(lease), True)
        equal(
            "the members' ids after enter with the ttls that were taken", there, [each.id for each in leases.values()]
        )

    @clause("RDZV-STORE-10")
    def test_RDZV_STORE_10_any_timeout_is_taken_at_its_word(self, under_test: BackendUnderTest) -> None:
        """Without time get, multi_get and wait look once; without end, and with None, they wait for the key."""
        one, other = (under_test.needs(SupportsStore, under_test.open()).store("extremes") for _ in range(2))
        one.set("there", b"1")
        for timeout in NO_TIME:
            for what, call, key in (("get", other.get, "there"), ("multi_get", other.multi_get, ["there"])):
                found = _at_once(under_test, f"{what} of what is there, with {timeout} s,", call, key, timeout)
                equal(f"what {what} of what is there gave, with {timeout} s", found in (b"1", [b"1"]), True)
            _at_once(under_test, f"wait for what is there, with {timeout} s,", other.wait, ["there"], timeout)
            calls: Mapping[str, tuple[Callable[..., Any], Any]] = {
                "get": (other.get, "late"),
                "multi_get": (other.multi_get, ["there", "late"]),
                "wait": (other.wait, ["late"]),
            }
            for what, (call, key) in calls.items():
                what = f"{what} of a missing key, with {timeout} s,"
                error = raises(RendezvousTimeoutError, what, _at_once, under_test, what, call, key, timeout)
                that("late" in str(error), f"the error of {what} does not name the key: {error}")
        waits: dict[str, Running[Any]] = {}
        for limit in (*ENDLESS, None):
            waits[f"get('late', {limit})"] = Running(other.get, "late", limit)
            waits[f"multi_get(['there', 'late'], {limit})"] = Running(other.multi_get, ["there", "late"], limit)
            waits[f"wait(['late'], {limit})"] = Running(other.wait, ["late"], limit)
        waits["get('late')"] = Running(other.get, "late")
        _still_wait(under_test, waits)
        one.set("late", b"2")
        _all_end(under_test, waits, "after the key was set", lambda gave: gave in (b"2", [b"1", b"2"], None))

    @clause("RDZV-STORE-11")
    def test_RDZV_STORE_11_sums_are_exact(self, under_test: BackendUnderTest) -> None:
        """Amounts and sums that need 64 bits, in both directions; what does not fit changes nothing."""
        one, other = (under_test.needs(SupportsStore, under_test.open()).store("sums") for _ in range(2))
        for number, amount in enumerate(AMOUNTS):
            key = f"sum-{number}"
            equal(f"the sum of an absent key and {amount}", _told(f"add({amount})", one.add, key, amount), amount)
            kept = other.get(key, under_test.paced(SOON))
            equal(f"what is kept after add of {amount}", kept, b"%d" % amount)
            step = -1 if amount > 0 else 1
            equal(f"the sum of {amount} and {step}", _told(f"add({step})", other.add, key, step), amount + step)
        for number, amount in enumerate(TOO_LARGE):
            key = f"too-large-{number}"
            one.set(key, b"7")
            _exact_or_refused(under_test, one, key, 7, amount)
        one.set("edge", b"%d" % (2**63 - 1))
        _exact_or_refused(under_test, one, "edge", 2**63 - 1, 1)


def _exact_or_refused(under_test: BackendUnderTest, store: Any, key: str, before: int, amount: int) -> None:
    expected = before + amount
    try:
        gave = store.add(key, amount)
    except ValueError:
        gave = expected = before
    except Exception as error:
        told = f"add of {amount} to {before} raised {shown_error(error)}: it must be exact, or a ValueError"
        raise ClauseFailed(told) from error
    equal(f"the sum of {before} and {amount}", gave, expected)
    kept = store.get(key, under_test.paced(SOON))
    equal(f"what is kept after add of {amount} to {before}", kept, b"%d" % expected)


def _at_once(under_test: BackendUnderTest, what: str, call: Callable[..., Any], *arguments: Any) -> Any:
    limit = under_test.paced(SOON)
    running = Running(_told, what, call, *arguments)
    return running.result(limit, f"{what} has not returned after {limit:.0f} s: it must look once and return")


def _told(what: str, call: Callable[..., Any], *arguments: Any) -> Any:
    """Call; what it raises is a finding that names the call, but for a timeout."""
    try:
        return call(*arguments)
    except (ClauseFailed, RendezvousTimeoutError):
        raise
    except Exception as error:
        raise ClauseFailed(f"{what} raised {shown_error(error)}: it must take that number") from error


def _closed(call: Callable[..., Any], *arguments: Any) -> object:
    try:
        return call(*arguments)
    except Exception as error:  # noqa: BLE001 - told as what it is
        return f"a {type(error).__name__}"


def _still_wait(under_test: BackendUnderTest, waits: Mapping[str, Running[Any]]) -> None:
    next(iter(waits.values())).ended(under_test.paced(SETTLES))
    for what, each in waits.items():
        if each.ended(0.0):
            try:
                gave = f"returned {each.result(0.0, '')!r}"
            except Exception as error:
                raise ClauseFailed(f"{what} raised {shown_error(error)}: it must wait") from error
            raise ClauseFailed(f"{what} {gave} though nothing had changed: it must wait")


def _all_end(
    under_test: BackendUnderTest, waits: Mapping[str, Running[Any]], after: str, right: Callable[[Any], bool]
) -> None:
    limit = under_test.paced(SOON)
    for what, each in waits.items():
        gave = each.result(limit, f"{what} has not returned {limit:.0f} s {after}")
        that(right(gave), f"{what} gave {gave!r} {after}")
