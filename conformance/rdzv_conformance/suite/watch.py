"""RDZV-WATCH: waiting for a change."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import time
from typing import Any, TypeVar

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Untested, equal, raises, that
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.threads import Running
from rdzv_conformance.suite.malformed import nearly
from rdzv_core import RendezvousStateError, StateSnapshot, SupportsDelete, SupportsWatch, Token

T = TypeVar("T")

LONG = 30.0
SOON = 5.0
SHORT = 0.3
UNWOKEN = 1.5
CLOCK_TOLERANCE = 0.01
ROUNDS = 30


class Watch:
    """A wait ends when there is something to see, and not before."""

    @clause("RDZV-WATCH-1")
    def test_RDZV_WATCH_1_a_change_ends_the_wait(self, under_test: BackendUnderTest) -> None:
        """With a token that is not current the wait ends at once; with the current one at the next write."""
        register, writer = _two(under_test)
        first = register.write(b"first")
        second = writer.write(b"second", first)
        for stale in (first, "invalid", b"\xff", *nearly(second)):
            answer = _soon(under_test, _wait(under_test, register, stale), f"wait_state({stale!r})")
            equal(f"what wait_state({stale!r}) gave", answer, (True, StateSnapshot(b"second", second)))
        waiting = _wait(under_test, register, second)
        that(
            not waiting.ended(under_test.paced(SHORT)), "wait_state(current token) returned though nothing had changed"
        )
        third = writer.write(b"third", second)
        answer = _soon(under_test, waiting, "wait_state(current token) after a write")
        equal("what wait_state gave", answer, (True, StateSnapshot(b"third", third)))

    @clause("RDZV-WATCH-1")
    def test_RDZV_WATCH_1_equal_bytes_are_a_change(self, under_test: BackendUnderTest) -> None:
        """A write of the same state again ends the wait: the token has changed."""
        register, writer = _two(under_test)
        token = register.write(b"same")
        waiting = _wait(under_test, register, token)
        newer = writer.write(b"same", token)
        answer = _soon(under_test, waiting, "wait_state(current token) after a write of equal bytes")
        equal("what wait_state gave", answer, (True, StateSnapshot(b"same", newer)))

    @clause("RDZV-WATCH-2")
    def test_RDZV_WATCH_2_without_a_token_a_first_state_is_awaited(self, under_test: BackendUnderTest) -> None:
        """The wait with token None ends with the first write, and at once where there is a state."""
        register, writer = _two(under_test)
        waiting = _wait(under_test, register, None)
        that(not waiting.ended(under_test.paced(SHORT)), "wait_state(None) returned though there was no state")
        token = writer.write(b"first")
        expected = (True, StateSnapshot(b"first", token))
        equal("what wait_state(None) gave", _soon(under_test, waiting, "wait_state(None) after a write"), expected)
        again = _wait(under_test, register, None)
        equal(
            "what wait_state(None) gave", _soon(under_test, again, "wait_state(None) where there is a state"), expected
        )

    @clause("RDZV-WATCH-3")
    def test_RDZV_WATCH_3_deletion_is_a_change(self, under_test: BackendUnderTest) -> None:
        """A wait ends with (True, None) when the state is deleted, and at once where it has been."""
        register, writer = _two(under_test)
        under_test.needs(SupportsDelete, writer)
        for who, deleting in (("another instance", writer), ("the waiting instance itself", register)):
            token = register.write(b"there")
            waiting = _wait(under_test, register, token)
            that(
                not waiting.ended(under_test.paced(SHORT)),
                "wait_state(current token) returned though nothing had changed",
            )
            deleting.delete_state()
            gave = _soon(under_test, waiting, f"wait_state(current token) after a deletion by {who}")
            equal(f"what wait_state gave after a deletion by {who}", gave, (True, None))
        again = _wait(under_test, register, token)
        equal(
            "what wait_state gave", _soon(under_test, again, "wait_state(token) where there is no state"), (True, None)
        )

    @clause("RDZV-WATCH-3")
    def test_RDZV_WATCH_3_what_was_created_again_is_another_state(self, under_test: BackendUnderTest) -> None:
        """Equal bytes, written as often as before the deletion: a wait with the token of before ends at once."""
        register, writer = _two(under_test)
        under_test.needs(SupportsDelete, writer)
        old = register.write(b"same")
        waiting = _wait(under_test, register, old)
        that(
            not waiting.ended(under_test.paced(SHORT)), "wait_state(current token) returned though nothing had changed"
        )
        writer.delete_state()
        newer = writer.write(b"same")
        again = (True, StateSnapshot(b"same", newer))
        gave = _soon(under_test, waiting, "wait_state(current token) after a deletion and a creation of equal bytes")
        that(gave in (again, (True, None)), f"what wait_state gave after a deletion and a creation is {gave!r}")
        what = "wait_state(token of a deleted state) where the state was created again"
        equal(f"what {what} gave", _soon(under_test, _wait(under_test, register, old), what), again)

    @clause("RDZV-WATCH-4")
    def test_RDZV_WATCH_4_without_a_change_the_wait_ends_in_time(self, under_test: BackendUnderTest) -> None:
        """After its timeout, not before, the wait gives what is there."""
        register, _ = _two(under_test)
        equal("what wait_state(None) gave in vain", _takes_its_time(register, None), (False, None))
        token = register.write(b"there")
        answer = _takes_its_time(register, token)
        equal("what wait_state(current token) gave in vain", answer, (False, StateSnapshot(b"there", token)))
        answer = register.wait_state(token, 0)
        equal("what wait_state(current token, 0) gave", answer, (False, StateSnapshot(b"there", token)))

    @clause("RDZV-WATCH-5")
    def test_RDZV_WATCH_5_no_wake_up_is_lost(self, under_test: BackendUnderTest) -> None:
        """A write and a wait that begin at the same moment: the wait sees the write, every time."""
        register, writer = _two(under_test)
        token = register.write(b"0")
        for turn in range(1, ROUNDS):
            state = b"%d" % turn
            waiting = _wait(under_test, register, token)
            newer = writer.write(state, token)
            seen = _soon(under_test, waiting, "a wait that began together with a write")
            equal("what a wait gave that began together with a write", seen, (True, StateSnapshot(state, newer)))
            token = newer

    @clause("RDZV-WATCH-6")
    def test_RDZV_WATCH_6_a_wait_holds_up_no_other_call(self, under_test: BackendUnderTest) -> None:
        """While a thread waits, others read, write and wait on the same instance."""
        register, _ = _two(under_test)
        token = register.write(b"there")
        waiting = [_wait(under_test, register, token) for _ in range(3)]
        that(
            not waiting[0].ended(under_test.paced(SHORT)),
            "wait_state(current token) returned though nothing had changed",
        )
        found = _soon(under_test, Running(register.get_state), "get_state() while others wait on the instance")
        equal("the state read while others wait", found, StateSnapshot(b"there", token))
        stale = _soon(
            under_test,
            _wait(under_test, register, "stale"),
            "wait_state(stale token) while others wait on the instance",
        )
        equal("what wait_state(stale token) gave while others wait", stale, (True, StateSnapshot(b"there", token)))
        newer = _soon(
            under_test, Running(register.write, b"next", token), "set_state() while others wait on the instance"
        )
        for each in waiting:
            answer = _soon(under_test, each, "wait_state(current token) after a write on the same instance")
            equal("what wait_state gave", answer, (True, StateSnapshot(b"next", newer)))

    @clause("RDZV-WATCH-7")
    def test_RDZV_WATCH_7_a_wait_on_corrupt_storage_says_so(self, under_test: BackendUnderTest) -> None:
        """What cannot be read ends a wait with an error, and begins none."""
        register, _ = _two(under_test)
        if under_test.helpers.corrupt is None:
            raise Untested("needs the helper corrupt(params), which corrupts what is stored")
        token = register.write(b"good")
        # It looks when it is woken, or when its time is over: what is done behind the backend's back need wake nobody.
        waiting = Running(register.wait_state, token, under_test.paced(UNWOKEN))
        that(
            not waiting.ended(under_test.paced(SHORT)), "wait_state(current token) returned though nothing had changed"
        )
        under_test.helpers.corrupt(under_test.parameters())
        again = {
            tried: Running(register.wait_state, tried, under_test.paced(SOON)) for tried in (None, token, b"invalid")
        }
        for tried, each in {"current token, begun before": waiting, **again}.items():
            what = f"wait_state({tried!r}) on corrupt storage"
            raises(RendezvousStateError, what, each.result, 2 * under_test.paced(SOON), f"{what} has not returned")


def _wait(under_test: BackendUnderTest, register: Register, token: Any) -> Running[tuple[bool, StateSnapshot | None]]:
    """Wait on a thread of its own, for longer than anything here takes."""
    return Running(register.wait_state, token, under_test.paced(LONG))


def _two(under_test: BackendUnderTest) -> tuple[Register, Register]:
    register = under_test.open()
    under_test.needs(SupportsWatch, register)
    return register, under_test.open()


def _soon(under_test: BackendUnderTest, running: Running[T], what: str) -> T:
    limit = under_test.paced(SOON)
    return running.result(limit, f"{what} has not returned after {limit:.0f} s")


def _takes_its_time(register: Register, token: Token | None) -> tuple[bool, StateSnapshot | None]:
    began = time.monotonic()
    answer = register.wait_state(token, SHORT)
    took = time.monotonic() - began
    that(took >= SHORT - CLOCK_TOLERANCE, f"wait_state(…, {SHORT}) gave up after {took:.3f} s already")
    return answer
