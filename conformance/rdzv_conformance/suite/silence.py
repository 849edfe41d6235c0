"""RDZV-CONN-4 and 5, CAS-14 and 15: many calls on a silent store, waits whose connection is lost, and lost answers."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import time

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, Untested, raises, shown, shown_error, that
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.threads import Running
from rdzv_conformance.suite.outages import through_proxy
from rdzv_core import RendezvousConnectionError, SetStateResult, StateSnapshot, SupportsDelete, SupportsWatch

TIMEOUT = 2.0
CALLS = 4
SLACK = 2.0
LONG = 60.0
SHORT = 0.3
SOON = 6.0
LOST_ANSWERS = 3
A_LOOK = 0.02


class Silence:
    """Nobody waits for another one's answer, and no answer that was lost is made up."""

    @clause("RDZV-CONN-4")
    def test_RDZV_CONN_4_calls_on_a_silent_store_do_not_wait_for_each_other(self, under_test: BackendUnderTest) -> None:
        """Threads call on one silent instance, and on a sibling: each raises in time; one that is answered goes on."""
        timeouts = under_test.target.impatient(TIMEOUT)
        with through_proxy(under_test, None, timeouts or None) as (register, proxy):
            token = register.write(b"there")
            direct = under_test.open()
            direct.get_state()
            sibling = register.sibling("silent")
            sibling.get_state()
            limit = (sum(timeouts.values()) if timeouts else under_test.target.impatience()) + under_test.paced(SLACK)
            proxy.pause()
            began = time.monotonic()
            silent = [Running(_how_long, register, 3 * CALLS * limit) for _ in range(CALLS)]
            by_sibling = Running(_how_long, sibling, 3 * CALLS * limit)
            other = Running(direct.get_state)
            held_up = "get_state() of an instance that is answered was held up by calls on one whose store is silent"
            found = other.result(max(limit, TIMEOUT), held_up)
            that(found == (b"there", token), f"what another instance read is {shown(found)}")
            that(not all(each.ended(0) for each in silent), held_up)
            for each in silent:
                took = each.result(3 * CALLS * limit, "get_state() on a silent store has not returned") - began
                that(
                    took <= limit,
                    f"of {CALLS} threads in get_state() on one silent store one was told after {took:.1f} s: each must "
                    f"be within {limit:.0f} s. To wait for another one's call is a part of the call's time",
                )
            took = by_sibling.result(3 * CALLS * limit, "get_state() of a silent sibling has not returned") - began
            that(
                took <= limit,
                f"get_state() of a sibling on a silent store raised after {took:.1f} s: with the timeouts of the "
                f"instance that made it, which are its own, it must within {limit:.0f} s",
            )

    @clause("RDZV-CONN-5")
    def test_RDZV_CONN_5_a_wait_whose_connection_is_lost_sees_the_next_change(
        self, under_test: BackendUnderTest
    ) -> None:
        """Its connection is reset, and a new one is taken: the wait ends with the next write, or raises."""
        under_test.needs(SupportsWatch, under_test.open())
        with through_proxy(under_test) as (register, proxy):
            token = register.write(b"there")
            direct = under_test.open()
            waiting = Running(register.wait_state, token, under_test.paced(LONG))
            that(not waiting.ended(under_test.paced(SHORT)), "wait_state() returned though nothing had changed")
            proxy.cut()
            proxy.restore()
            newer = direct.write(b"next", token)
            limit = under_test.target.impatience() + under_test.paced(SOON)
            what = f"wait_state(), whose connection was lost, has not returned {limit:.0f} s after a write"
            try:
                found = waiting.result(limit, what)
            except RendezvousConnectionError:
                return
            expected = (True, StateSnapshot(b"next", newer))
            that(found == expected, f"wait_state(), whose connection was lost, gave {shown(found)} after a write")

    @clause("RDZV-CONN-4")
    def test_RDZV_CONN_4_a_wait_on_a_silent_store_says_so(self, under_test: BackendUnderTest) -> None:
        """Its time is over and the store does not answer: nobody knows whether there is a change, and it raises."""
        under_test.needs(SupportsWatch, under_test.open())
        with through_proxy(under_test) as (register, proxy):
            token = register.write(b"there")
            waiting = Running(register.backend.wait_state, token, under_test.paced(2 * SHORT))  # type: ignore[attr-defined]
            that(not waiting.ended(under_test.paced(SHORT)), "wait_state() returned though nothing had changed")
            proxy.pause()
            under_test.open().write(b"unseen", token)
            limit = under_test.target.impatience() + under_test.paced(SOON)
            what = "wait_state(), while which the store fell silent,"
            raises(RendezvousConnectionError, what, waiting.result, limit, f"{what} has not ended after {limit:.0f} s")

    @clause("RDZV-CAS-15")
    def test_RDZV_CAS_15_a_deletion_whose_answer_is_lost_is_not_denied(self, under_test: BackendUnderTest) -> None:
        """The store did it, the answer was lost: the caller is told True, or that the outcome is unknown."""
        under_test.needs(SupportsDelete, under_test.open())
        swallowed = 0
        for number in range(2 * LOST_ANSWERS):
            run_id = f"{under_test.run_id}-{number}"
            with through_proxy(under_test, run_id) as (register, proxy):
                direct = under_test.open(run_id)
                token = direct.write(b"there")
                register.get_state()
                proxy.swallow_answer(number // 2)
                used = (token, None)[number % 2]
                try:
                    gave = register.delete_state(used)
                except RendezvousConnectionError:
                    continue
                finally:
                    swallowed += proxy.swallowed
                that(
                    gave,
                    f"delete_state({'current token' if used else None}) whose answer was lost gave False: it deleted "
                    "what was there, and must say so, or raise",
                )
                direct.is_empty("after delete_state gave True")
        if not swallowed:
            raise Untested("the suite's proxy saw no answer that it could have swallowed")

    @clause("RDZV-CAS-14")
    def test_RDZV_CAS_14_a_lost_write_that_others_wrote_over_was_no_refusal(self, under_test: BackendUnderTest) -> None:
        """Its answer is lost, and another one writes over it before it can ask: it did write, and is not told else."""
        tried = 0
        for after in range(LOST_ANSWERS):
            run_id = f"{under_test.run_id}-{after}"
            with through_proxy(under_test, run_id) as (register, proxy):
                direct = under_test.open(run_id)
                token = direct.write(b"before")
                register.get_state()
                proxy.hold_answers(after)
                writing = Running(register.set_state, b"mine", token)
                while not (writing.ended(0.0) or proxy.await_held(A_LOOK)):
                    pass
                there = direct.get_state()
                if there is not None and there.state == b"mine" and not writing.ended(0):
                    tried += 1
                    direct.write(b"over it", there.token)
                    proxy.cut_within_answer(0)  # what is held back is lost, and its connection with it
                proxy.release_answers()
                _not_refused(under_test, writing)
        if not tried:
            raise Untested("no write was done of which the answer could be held back")


def _how_long(register: Register, patience: float) -> float:
    """Read in vain; return when that was told."""
    try:
        found = register.get_state(patience)
    except RendezvousConnectionError:
        return time.monotonic()
    except Exception as error:
        raise ClauseFailed(f"get_state() on a silent store raised {shown_error(error)}") from error
    raise ClauseFailed(f"get_state() on a silent store gave {shown(found)}")


def _not_refused(under_test: BackendUnderTest, writing: Running[SetStateResult | None]) -> None:
    limit = under_test.target.impatience() + under_test.paced(SOON)
    try:
        answer = writing.result(limit, f"a write whose answer was lost has not ended after {limit:.0f} s")
    except RendezvousConnectionError:
        return
    that(
        answer is not None and answer.has_set,
        f"a write that was done, and written over before its lost answer was asked for, gave {shown(answer)}: it must "
        "be resolved, or raise",
    )
