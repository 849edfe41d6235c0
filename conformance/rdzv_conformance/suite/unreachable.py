"""RDZV-CONN-4 and 5, STORE-3: members and stores on a store that falls silent, goes, comes back, or loses an answer."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Unsupported, Untested, raises, shown, that
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.threads import Running
from rdzv_conformance.harness.waits import KEY, TTL, Call, Waits
from rdzv_conformance.suite.outages import BACK_LIMIT, through_proxy
from rdzv_core import (
    RendezvousConnectionError,
    RendezvousTimeoutError,
    Store,
    SupportsMembership,
    SupportsStore,
)

SHORT = 0.3
SOON = 6.0
LONG = 60.0
LOST_ANSWERS = 3
BETWEEN_TRIES = 0.05


class Unreachable:
    """What holds for the calls of a register holds for those of its members and stores."""

    @clause("RDZV-CONN-4")
    def test_RDZV_CONN_4_each_call_of_members_and_stores_on_a_silent_store_raises(
        self, under_test: BackendUnderTest
    ) -> None:
        """A thread makes each of them, on one instance; those that wait raise too, and are not in vain."""
        with through_proxy(under_test) as (register, proxy):
            waits, calls = _prepared(under_test, register)
            running = {
                f"{what}, while which the store fell silent,": Running(wait, under_test.paced(2 * SHORT))
                for what, wait in waits.kinds().items()
                if what != "wait_state"
            }
            that(
                not any(each.ended(under_test.paced(SHORT) / len(running)) for each in running.values()),
                "a wait returned though nothing had changed",
            )
            proxy.pause()
            running |= {f"{what} on a silent store": Running(call) for what, call in calls.items()}
            _each_raises(under_test, running)

    @clause("RDZV-CONN-5")
    def test_RDZV_CONN_5_members_and_stores_work_again_after_a_cut(self, under_test: BackendUnderTest) -> None:
        """Connections are reset and refused: each call raises; they are taken again, and each works."""
        with through_proxy(under_test) as (register, proxy):
            _, calls = _prepared(under_test, register)
            proxy.cut()
            _each_raises(under_test, {f"{what} on a store that is gone": Running(call) for what, call in calls.items()})
            proxy.restore()
            ends = time.monotonic() + under_test.paced(BACK_LIMIT)
            for what, call in calls.items():
                _works_again(what, call, ends)

    @clause("RDZV-CONN-5")
    def test_RDZV_CONN_5_waits_of_members_and_stores_see_the_change_after_a_cut(
        self, under_test: BackendUnderTest
    ) -> None:
        """Their connections are reset, and new ones are taken: each ends with the change that comes then, or raises."""
        with through_proxy(under_test) as (register, proxy):
            waits, _ = _prepared(under_test, register)
            direct = under_test.open().backend
            running = {
                what: Running(wait, under_test.paced(LONG))
                for what, wait in waits.kinds().items()
                if what != "wait_state"
            }
            that(
                not any(each.ended(under_test.paced(SHORT) / len(running)) for each in running.values()),
                "a wait returned though nothing had changed",
            )
            proxy.cut()
            proxy.restore()
            if isinstance(direct, SupportsMembership):
                direct.enter(b"comes", TTL)
            if isinstance(direct, SupportsStore):
                direct.store(waits.prefix).set(KEY, b"there")
            limit = under_test.target.impatience() + under_test.paced(SOON)
            for what, each in running.items():
                told = f"{what}, whose connection was lost,"
                try:
                    gave = each.result(limit, f"{told} has not returned {limit:.0f} s after a change")
                except RendezvousConnectionError:
                    continue
                that(gave is not False, f"{told} gave {shown(gave)} after a change")

    @clause("RDZV-STORE-3")
    def test_RDZV_STORE_3_a_call_whose_answer_is_lost_is_done_once(self, under_test: BackendUnderTest) -> None:
        """add, compare_set and delete_key: the answer is that of what was done, or the call raises."""
        if not isinstance(under_test.open().backend, SupportsStore):
            raise Unsupported("the backend does not claim SupportsStore")
        swallowed = 0
        for after in range(LOST_ANSWERS):
            run_id = f"{under_test.run_id}-{after}"
            with through_proxy(under_test, run_id) as (register, proxy):
                store = under_test.needs(SupportsStore, register).store("lost")
                direct = under_test.needs(SupportsStore, under_test.open(run_id)).store("lost")
                direct.set("deleted", b"1")
                calls: dict[str, tuple[Callable[[], object], object]] = {
                    "add": (partial(store.add, "number", 1), 1),
                    "compare_set": (partial(store.compare_set, "created", None, b"mine"), b"mine"),
                    "delete_key": (partial(store.delete_key, "deleted"), True),
                }
                for what, (call, gives) in calls.items():
                    _works_again("num_keys()", store.num_keys, time.monotonic() + under_test.paced(BACK_LIMIT))
                    before = proxy.swallowed
                    proxy.swallow_answer(after)
                    found: object = None
                    try:
                        found = call()
                    except RendezvousConnectionError:
                        pass
                    that(
                        found in (gives, None),
                        f"{what}, whose answer was lost, gave {shown(found)}: it was done once, and must say "
                        f"{shown(gives)}, or raise",
                    )
                    swallowed += proxy.swallowed - before
                number = _value(direct, "number")
                that(number in (None, b"1"), f"after add of 1, whose answer was lost, there is {shown(number)}: not 1")
        if not swallowed:
            raise Untested("the suite's proxy saw no answer that it could have swallowed")


def _prepared(under_test: BackendUnderTest, register: Register) -> tuple[Waits, dict[str, Call]]:
    """Return the waits of an instance, and its calls of members and stores, each of which has been made once."""
    if not isinstance(register.backend, (SupportsMembership, SupportsStore)):
        raise Unsupported("the backend claims neither members nor stores")
    waits = Waits(under_test, register)
    calls = {**waits.entering(), **waits.quick()}
    calls = {what: call for what, call in calls.items() if what not in ("get_state()", "set_state(…)")}
    for call in calls.values():
        call()
    return waits, calls


def _each_raises(under_test: BackendUnderTest, running: dict[str, Running[Any]]) -> None:
    limit = under_test.target.impatience() + under_test.paced(SOON)
    for what, each in running.items():
        raises(RendezvousConnectionError, what, each.result, limit, f"{what} has not ended after {limit:.0f} s")


def _works_again(what: str, call: Callable[[], object], ends: float) -> None:
    while True:
        try:
            call()
        except RendezvousConnectionError as error:
            that(time.monotonic() < ends, f"{what} still raises {error} though the store came back")
            threading.Event().wait(BETWEEN_TRIES)  # what is awaited tells nobody when it is there
        else:
            return


def _value(store: Store, key: str) -> bytes | None:
    try:
        return store.get(key, 0)
    except RendezvousTimeoutError:
        return None
