"""RDZV-SUBMIT-1, 2, 3 and 5: what is submitted about members and on stores ends as what is submitted on a register."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import contextlib
import itertools
import math
import queue
from collections.abc import Callable
from functools import partial
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Blamed, Unsupported, equal, raises, that
from rdzv_conformance.harness.submitted import Submitted, Submitter
from rdzv_conformance.harness.wakes import Kind, Wakes
from rdzv_conformance.suite.store_writer import bytes_of
from rdzv_core import (
    RendezvousConnectionError,
    RendezvousTimeoutError,
    SupportsMembership,
    SupportsStore,
    SupportsSubmit,
)

TTL = 600.0
SHORT = 0.3
SOON = 6.0
LONG = 60.0
OVER_A_NUMBER = [2**bits / 1000 + 0.1 for bits in (31, 32)]
"""Seconds that are a few milliseconds more than so many bits hold."""
CHAIN = 5
LARGEST_PAYLOAD, LARGEST_VALUE = 4096, 128 * 1024


class _Waits:
    """Something on which one can wait by submitted calls: `begin` does so, and `change` ends them."""

    what = ""
    in_vain: Any = None

    def __init__(self, under_test: BackendUnderTest, at: Submitter) -> None:
        self.under_test, self.at = under_test, at

    def begin(self, timeout: float | None) -> Submitted:
        raise NotImplementedError

    def change(self) -> None:
        raise NotImplementedError

    @property
    def reading(self) -> tuple[str, tuple[Any, ...]]:
        """A call that need not wait, as `submit` takes it."""
        raise NotImplementedError

    def read(self) -> Submitted:
        """Submit that call."""
        method, arguments = self.reading
        return self.at.begin(method, *arguments)

    def ended(self, call: Submitted, timeout: float) -> Any:
        """Return what it ended with; a timeout is one of the answers."""
        try:
            return call.result(self.under_test.paced(timeout))
        except RendezvousTimeoutError:
            return RendezvousTimeoutError


class _OfMembers(_Waits):
    what, in_vain, changed = "wait_members", False, True

    def __init__(self, under_test: BackendUnderTest, at: Submitter, changing: SupportsMembership) -> None:
        super().__init__(under_test, at)
        self._changing = changing

    def begin(self, timeout: float | None) -> Submitted:
        return self.at.begin("wait_members", self._changing.members().version, math.inf if timeout is None else timeout)

    def change(self) -> None:
        self._changing.enter(b"", TTL)

    @property
    def reading(self) -> tuple[str, tuple[Any, ...]]:
        return "wait_members", (None, LONG)


class _OfAStore(_Waits):
    in_vain = RendezvousTimeoutError

    def __init__(self, under_test: BackendUnderTest, at: Submitter, method: str, changing: Any) -> None:
        super().__init__(under_test, at)
        self.what, self._changing, self._number = method, changing, 0
        self.changed = {"get": b"1", "multi_get": [b"1"], "wait": None}[method]
        self._changing.set("there", b"1")

    def begin(self, timeout: float | None) -> Submitted:
        return self.at.begin(*self._call(f"{self.what} {self._number}"), timeout)

    def change(self) -> None:
        self._changing.set(f"{self.what} {self._number}", b"1")
        self._number += 1

    @property
    def reading(self) -> tuple[str, tuple[Any, ...]]:
        method, key = self._call("there")
        return method, (key, LONG)

    def _call(self, key: str) -> tuple[str, str | list[str]]:
        return self.what, key if self.what == "get" else [key]


class SubmittedWaits:
    """Waits of members and of stores take their time, hold up nothing, and are ended by close()."""

    @clause("RDZV-SUBMIT-1", "RDZV-SUBMIT-2")
    def test_RDZV_SUBMIT_1_submitted_waits_of_members_and_stores_take_their_time(
        self, under_test: BackendUnderTest
    ) -> None:
        """In vain after the timeout, with the change where there is time enough, and meanwhile other calls end."""
        waits = waits_of(under_test)
        short = under_test.paced(SHORT)
        in_vain = [(each, each.begin(short)) for each in waits]
        endless = [(each, each.begin(timeout)) for each in waits for timeout in (*OVER_A_NUMBER, math.inf, None)]
        for each, call in in_vain:
            that(not call.ended(short / 2 / len(waits)), f"{call.what} ended before its time, with {call.ends}")
            other = each.read()
            equal(f"{other.what} while {len(endless)} calls wait", each.ended(other, SOON), each.changed)
        for each, call in in_vain:
            equal(f"what {call.what} gave in vain", each.ended(call, SOON), each.in_vain)
        for _, call in endless:
            that(not call.ended(0.0), f"{call.what} ended though nothing had changed: {call.ends}")
        for each in waits:
            each.change()
        for each, call in endless:
            equal(f"{call.what} after a change", each.ended(call, SOON), each.changed)
        for _, call in (*in_vain, *endless):
            if len(call.ends) != 1:
                raise Blamed(f"{call.what} has ended {len(call.ends)} times: {call.ends}", ("RDZV-SUBMIT-2",))

    @clause("RDZV-SUBMIT-1")
    def test_RDZV_SUBMIT_1_a_change_wakes_who_waits_for_members_or_a_key_by_a_submitted_call(
        self, under_test: BackendUnderTest
    ) -> None:
        """Typically such a wait ends with the change, as a called one does."""
        register = under_test.open()
        kinds = [_kind(under_test, each) for each in waits_of(under_test)]
        Wakes(under_test, register.get_state).judge([*kinds, *_submitted_changes(under_test)])

    @clause("RDZV-SUBMIT-3")
    def test_RDZV_SUBMIT_3_close_ends_submitted_waits_of_members_and_stores(self, under_test: BackendUnderTest) -> None:
        """Each ends with an error, once, and so does one that is submitted later."""
        register = under_test.open()
        waits = waits_of(under_test, register)
        begun = [each.begin(LONG) for each in waits]
        that(not any(call.ended(under_test.paced(SHORT) / len(begun)) for call in begun), "a submitted wait has ended")
        register.close()
        begun += [each.read() for each in waits]
        for call in begun:
            what = f"{call.what}, whose instance was closed,"
            raises(RendezvousConnectionError, what, call.result, under_test.paced(SOON))
        for call in begun:
            equal(f"how often {call.what} has ended", len(call.ends), 1)

    @clause("RDZV-SUBMIT-5")
    def test_RDZV_SUBMIT_5_done_of_members_and_stores_may_submit_and_raise(self, under_test: BackendUnderTest) -> None:
        """A chain of calls, each submitted by done of the one before it; what done raises is no other call's affair."""
        for each in waits_of(under_test):
            ends: queue.SimpleQueue[int] = queue.SimpleQueue()
            submit, call = each.at.target.submit, each.reading

            def next_one(
                number: int, submit: Callable[..., None] = submit, call: Any = call, ends: Any = ends
            ) -> Callable[[Any, Exception | None], None]:
                def done(_: Any, __: Exception | None) -> None:
                    if number < CHAIN:
                        submit(*call, next_one(number + 1, submit, call, ends))
                    ends.put(number)
                    if number == CHAIN:
                        raise ZeroDivisionError("of done, which the suite raises")

                return done

            with contextlib.suppress(ZeroDivisionError):  # where a call ends within submit()
                submit(*call, next_one(0))
            for _ in range(CHAIN + 1):
                try:
                    ends.get(timeout=under_test.paced(SOON))
                except queue.Empty:
                    told = f"{each.what}, submitted by done of another one, has not ended after {SOON:.0f} s"
                    raise Blamed(told, ("RDZV-SUBMIT-5",)) from None
            after = each.read()
            equal(f"{after.what} after done of a call has raised", each.ended(after, SOON), each.changed)

    @clause("RDZV-SUBMIT-1")
    def test_RDZV_SUBMIT_1_payloads_and_values_that_are_submitted_come_whole(
        self, under_test: BackendUnderTest
    ) -> None:
        """As large as they may be: by enter, update and set, and read by members, first and get."""
        register, other = under_test.open(), under_test.open()
        under_test.needs(SupportsSubmit, register)
        tried = False
        if isinstance(register.backend, SupportsMembership):
            at, witness = Submitter(under_test, register.backend), under_test.needs(SupportsMembership, other)
            tried |= bool(at.submittable & {"enter", "update", "members", "first"})
            first, second = (bytes_of(name, LARGEST_PAYLOAD) for name in ("first", "second"))
            lease = at("enter", first, TTL)
            that(witness.first(1).members[0].payload == first, "the payload of a submitted enter() came back otherwise")
            at("update", lease, second)
            that(
                witness.first(1).members[0].payload == second, "the payload of a submitted update() came back otherwise"
            )
            for what, arguments in (("members", ()), ("first", (1,))):
                found = at(what, *arguments).members[0].payload
                that(found == second, f"the submitted {what}() gave a payload of {len(found)} bytes, or others")
        if isinstance(register.backend, SupportsStore):
            store, value = register.backend.store("submitted"), bytes_of("value", LARGEST_VALUE)
            if isinstance(store, SupportsSubmit):
                at, tried = Submitter(under_test, store), True
                at("set", "key", value)
                read = under_test.needs(SupportsStore, other).store("submitted").get("key", under_test.paced(SOON))
                that(read == value, f"a value of {LARGEST_VALUE} bytes that a submitted set wrote came back otherwise")
                found = at("get", "key", SOON)
                that(found == value, f"the submitted get gave {len(found)} of {LARGEST_VALUE} bytes, or others")
        if not tried:
            raise Unsupported("neither members nor stores can be submitted")


def waits_of(under_test: BackendUnderTest, register: Any = None) -> list[Any]:
    """Return what one can wait for by submitted calls, apart from a register."""
    register, other = register or under_test.open(), under_test.open()
    found: list[_Waits] = []
    backend = register.backend
    if isinstance(backend, SupportsSubmit) and isinstance(backend, SupportsMembership):
        at = Submitter(under_test, backend)
        if "wait_members" in at.submittable:
            found.append(_OfMembers(under_test, at, under_test.needs(SupportsMembership, other)))
    if isinstance(backend, SupportsStore):
        store = register.call("store('submitted')", backend.store, "submitted")
        if isinstance(store, SupportsSubmit):
            at, changing = Submitter(under_test, store), under_test.needs(SupportsStore, other).store("submitted")
            methods = [method for method in ("get", "multi_get", "wait") if method in at.submittable]
            found += [_OfAStore(under_test, at, method, changing) for method in methods]
    if not found:
        raise Unsupported("neither a wait of members nor one of a store can be submitted")
    return found


def _submitted_changes(under_test: BackendUnderTest) -> list[Kind]:
    """Return the changes that can be submitted, with called waits."""
    run, kinds = f"{under_test.run_id}-submitted", list[Kind]()  # of its own: nobody is woken by another kind
    register, other = under_test.open(run), under_test.open(run)
    if isinstance(other.backend, SupportsSubmit) and isinstance(other.backend, SupportsMembership):
        at, members = Submitter(under_test, other.backend), under_test.needs(SupportsMembership, register)
        if "enter" in at.submittable:

            def arm() -> Callable[[float], object]:
                version = members.members().version
                return lambda timeout: members.wait_members(version, timeout)

            enter = partial(at, "enter", b"", TTL)
            kinds.append(Kind("a submitted enter", "wait_members", "RDZV-SUBMIT-1", arm, enter))
    if isinstance(other.backend, SupportsStore):
        store = other.call("store('submitted')", other.backend.store, "submitted")
        if isinstance(store, SupportsSubmit) and "set" in store.submittable:
            waiting, number = under_test.needs(SupportsStore, register).store("submitted"), itertools.count()
            awaited: list[str] = []

            def arm_key() -> Callable[[float], object]:
                awaited.append(f"set by a submitted call {next(number)}")
                return partial(waiting.get, awaited[-1])

            at_store = Submitter(under_test, store)
            change = lambda: at_store("set", awaited[-1], b"1")  # noqa: E731
            kinds.append(Kind("a submitted set", "get", "RDZV-SUBMIT-1", arm_key, change))
    return kinds


def _kind(under_test: BackendUnderTest, each: _Waits) -> Kind:
    def arm() -> Callable[[float], object]:
        def wait(timeout: float) -> object:
            return each.begin(timeout).result(under_test.paced(LONG))

        return wait

    return Kind("a change", f"the submitted {each.what}", "RDZV-SUBMIT-1", arm, each.change)
