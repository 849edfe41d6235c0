"""RDZV-LIFE-3, 5 and 7: whose calls a close ends, and whose it does not."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Unsupported, equal, raises, that
from rdzv_conformance.harness.threads import Running
from rdzv_conformance.harness.waits import HOW_TO_END, Waits
from rdzv_conformance.suite.opening import open_and_close
from rdzv_conformance.suite.processes import Worker, once_ready
from rdzv_core import RendezvousConnectionError, Store, SupportsMembership, SupportsStore, SupportsWatch

LONG = 60.0
SHORT = 0.3
SOON = 5.0
TTL = 60.0
WITHIN = 2.0
"""The second that the contract gives, and what a loaded machine may add to it."""
RACES_LAST, MOST_RACES, LATEST = 0.2, 200, 0.001

Begun = list[tuple[str, dict[str, Running[Any]]]]
"""Waits by the name of the call, and whose they are."""


class Closing:
    """A close ends everything of its instance and nothing of any other."""

    @clause("RDZV-LIFE-3")
    def test_RDZV_LIFE_3_close_ends_every_kind_of_wait(self, under_test: BackendUnderTest) -> None:
        """Waits for the state, for members and for keys, of this instance, all at once."""
        register = under_test.open()
        register.write(b"there")
        waits = [Waits(under_test, register), Waits(under_test, register)]
        # Two of each kind: who waits may be kept by what is waited for, with room for one.
        begun = {
            f"{what}{which}": running
            for each, which in zip(waits, ("", ", the second,"), strict=True)
            for what, running in each.begin(under_test.paced(LONG)).items()
        }
        if not begun:
            raise Unsupported("no call of it waits")
        for what, running in begun.items():
            that(not running.ended(under_test.paced(SHORT) / len(begun)), f"{what} returned though nothing had changed")
        limit = under_test.paced(WITHIN)
        began = time.monotonic()
        register.close(limit)
        for what, running in begun.items():
            ended = running.ended(max(0.0, began + limit - time.monotonic()))
            that(ended, f"{what} goes on {limit:.0f} s after close(): it must end within 1 s. {HOW_TO_END}")
            raises(RendezvousConnectionError, f"{what}, ended by close(),", running.result, 0, "")

    @clause("RDZV-LIFE-5")
    def test_RDZV_LIFE_5_waits_of_others_go_on(self, under_test: BackendUnderTest) -> None:
        """Another instance and a sibling wait for everything: none ends when this one is closed, all with a change."""
        register, other = under_test.open(), under_test.open()
        register.write(b"there")
        sibling = register.sibling("waits")
        waiting = [Waits(under_test, other), Waits(under_test, sibling, "of the sibling")]
        begun = [(whose, waits.begin(under_test.paced(LONG))) for whose, waits in zip(_WHOSE, waiting, strict=True)]
        Waits(under_test, register, "its own").begin(under_test.paced(LONG))
        register.close()
        _go_on(under_test, begun, "when an instance was closed")
        for waits in waiting:
            waits.change()
        _end_with_a_change(under_test, begun, "after an instance was closed")

    @clause("RDZV-LIFE-5")
    def test_RDZV_LIFE_5_closing_a_sibling_ends_no_wait_of_the_run(self, under_test: BackendUnderTest) -> None:
        """The instance that made it, and another sibling, wait for everything: they go on, and end with a change."""
        register = under_test.open()
        register.write(b"there")
        sibling, another = register.sibling("closes"), register.sibling("waits")
        Waits(under_test, sibling, "its own").begin(under_test.paced(LONG))
        waiting = [Waits(under_test, register, "of the run"), Waits(under_test, another, "of the sibling")]
        whose = ("the instance that made it", "another sibling")
        begun = [(who, waits.begin(under_test.paced(LONG))) for who, waits in zip(whose, waiting, strict=True)]
        sibling.close()
        _go_on(under_test, begun, "when a sibling was closed")
        for waits in waiting:
            waits.change()
        _end_with_a_change(under_test, begun, "after a sibling was closed")

    @clause("RDZV-LIFE-5")
    def test_RDZV_LIFE_5_an_instance_that_opens_while_the_last_one_closes_works(
        self, under_test: BackendUnderTest
    ) -> None:
        """Two threads open, read and close, again and again: each is at times the last one, and the first."""
        if under_test.shared_by_processes():
            # In a process where nothing else is open, not even the suite's own.
            with once_ready([Worker(under_test, "open_and_close")]) as (worker,):
                worker.go()
                raised = worker.expect("done")["raised"]
        else:
            raised = open_and_close(under_test)
        equal("what instances raised that were opened while another one closed", raised, [])

    @clause("RDZV-LIFE-3")
    def test_RDZV_LIFE_3_a_wait_that_begins_with_close_ends(self, under_test: BackendUnderTest) -> None:
        """Begun a moment before or after close(), again and again: it raises, and never waits on."""
        under_test.needs(SupportsWatch, under_test.open())
        limit = under_test.paced(WITHIN)
        ends = time.monotonic() + under_test.paced(RACES_LAST)
        for turn in range(MOST_RACES):
            register = under_test.open()
            register.get_state()
            waiting = Running(register.backend.wait_state, None, under_test.paced(LONG))  # type: ignore[attr-defined]
            pause = time.perf_counter() + under_test.random.uniform(0, LATEST) * (turn % 2)
            while time.perf_counter() < pause:
                pass
            register.close(limit)
            what = "wait_state(None), begun together with close(),"
            that(waiting.ended(limit), f"{what} goes on {limit:.0f} s after it: it must end within 1 s. {HOW_TO_END}")
            raises(RendezvousConnectionError, what, waiting.result, 0, "")
            if time.monotonic() > ends:
                break

    @clause("RDZV-LIFE-7")
    def test_RDZV_LIFE_7_a_store_ends_with_its_instance(self, under_test: BackendUnderTest) -> None:
        """A store that was got before: each call raises, and another instance sees that it has changed nothing."""
        register = under_test.open()
        closed = under_test.needs(SupportsStore, register).store("closed")
        witness = under_test.needs(SupportsStore, under_test.open()).store("closed")
        closed.set("key", b"1")
        register.close()
        for what, call in _calls_of(closed).items():
            raises(RendezvousConnectionError, f"{what} of a store whose instance was closed", call)
        equal("num_keys() after calls of a closed store", witness.num_keys(), 1)
        equal("the value after calls of a closed store", witness.get("key", under_test.paced(SOON)), b"1")

    @clause("RDZV-LIFE-7")
    def test_RDZV_LIFE_7_calls_about_a_membership_end_with_their_instance(self, under_test: BackendUnderTest) -> None:
        """refresh, update, leave, first and wait_members raise on a closed instance, and the member stays as it is."""
        register = under_test.open()
        closed = under_test.needs(SupportsMembership, register)
        witness = under_test.needs(SupportsMembership, under_test.open())
        lease = closed.enter(b"there", TTL)
        version = closed.members().version
        register.close()
        calls: dict[str, Callable[[], object]] = {
            "refresh": lambda: closed.refresh(lease),
            "update": lambda: closed.update(lease, b"new"),
            "leave": lambda: closed.leave(lease),
            "first(1)": lambda: closed.first(1),
            "wait_members(current version, 1)": lambda: closed.wait_members(version, 1.0),
            "wait_members(None, 1)": lambda: closed.wait_members(None, 1.0),
        }
        for what, call in calls.items():
            raises(RendezvousConnectionError, f"{what} after close()", call)
        # Whether a close ends the membership is not said; if it is there, it is as it was.
        for member in witness.members().members:
            equal("the payload after calls on a closed instance", member.payload, b"there")


def _go_on(under_test: BackendUnderTest, begun: Begun, when: str) -> None:
    for whose, each in begun:
        for what, running in each.items():
            ended = running.ended(under_test.paced(SHORT) / len(each))
            that(not ended, f"{what} of {whose} ended {when}: only its own waits must end")


def _end_with_a_change(under_test: BackendUnderTest, begun: Begun, when: str) -> None:
    for whose, each in begun:
        for what, running in each.items():
            gave = running.result(under_test.paced(SOON), f"{what} of {whose} was not woken after a close")
            that(gave is not False, f"{what} of {whose} ended in vain {when}")


_WHOSE = ("another instance", "a sibling")


def _calls_of(store: Store) -> dict[str, Callable[[], object]]:
    return {
        "set": lambda: store.set("key", b"2"),
        "get of a key that is there": lambda: store.get("key", 1.0),
        "get of a key that is not there": lambda: store.get("none", 1.0),
        "multi_get": lambda: store.multi_get(["key"], 1.0),
        "multi_set": lambda: store.multi_set({"new": b"2"}),
        "check": lambda: store.check(["key"]),
        "wait": lambda: store.wait(["key"], 1.0),
        "num_keys": store.num_keys,
        "add": lambda: store.add("number", 1),
        "compare_set": lambda: store.compare_set("key", b"1", b"2"),
        "delete_key": lambda: store.delete_key("key"),
    }
