"""RDZV-SUBMIT: calls that are begun by one thread and answered from another."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Blamed, Untested, equal, raises, that
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.submitted import SOON, Submitted, Submitter
from rdzv_conformance.harness.threads import Running, race
from rdzv_conformance.suite.outages import await_return, through_proxy
from rdzv_core import (
    RendezvousConnectionError,
    RendezvousStateError,
    RendezvousTimeoutError,
    StateSnapshot,
    SupportsMembership,
    SupportsStore,
    SupportsSubmit,
)

REGISTER = ("get_state", "set_state")
WAITS = ("wait_state", "wait_members")
MEMBERS = ("enter", "update", "refresh", "leave", "members", "first", "count", "wait_members")
STORE = ("set", "get", "check", "delete_key", "num_keys", "multi_set", "multi_get", "wait", "compare_set", "add")
READS: dict[str, tuple[Any, ...]] = {"get_state": (), "members": (), "first": (1,), "count": ()}

TTL = 60.0
LONG = 30.0
SHORT = 0.3
SETTLES = 0.2
CLOCK_TOLERANCE = 0.01
AT_ONCE = 20
CALLS = 50
MOST_THREADS = 8
"""What so many calls may cost together: a few threads, but not one for each call."""
ROUNDS = 10
CLOSE_ENDS_WAITS = 1.0
GRACE = 1.0
"""What a loaded machine may add to the second that the contract gives."""


class Submitting:
    """A submitted call is the call itself, without a thread that waits."""

    @clause("RDZV-SUBMIT-1")
    def test_RDZV_SUBMIT_1_submittable_names_methods(self, under_test: BackendUnderTest) -> None:
        """What `submittable` names is there to be called; the suite says what of it it cannot try."""
        register = under_test.open()
        _check_names("the backend", Submitter(under_test, register.backend))
        known = {*REGISTER, *WAITS, *MEMBERS}
        strange = sorted(register.backend.submittable - known)  # type: ignore[attr-defined] # it submits, as was seen
        if isinstance(register.backend, SupportsStore):
            store = register.call("store('submitted')", register.backend.store, "submitted")
            if isinstance(store, SupportsSubmit):
                _check_names("the store", Submitter(under_test, store))
                strange += sorted(store.submittable - {*STORE})
        if strange:
            raise Untested(f"the suite does not know how to submit {', '.join(strange)}")

    @clause("RDZV-SUBMIT-1")
    def test_RDZV_SUBMIT_1_submitted_reads_and_writes_give_what_called_ones_give(
        self, under_test: BackendUnderTest
    ) -> None:
        """The state that is there now, however often it was read before, and whether a write was done."""
        register, other = under_test.open(), under_test.open()
        at = Submitter(under_test, register.backend, *REGISTER)
        equal("the submitted get_state() where there is no state", at("get_state"), None)
        written = at("set_state", b"first")
        first = other.get_state()
        equal("the submitted set_state(b'first')", written, first and (b"first", first.token, True))
        equal("the submitted get_state()", at("get_state"), first)
        second = other.write(b"second", first and first.token)
        now = StateSnapshot(b"second", second)
        equal("the submitted get_state() after another's write", at("get_state"), now)
        refused = at("set_state", b"third", first and first.token)
        equal("the submitted set_state(b'third', stale token)", refused, (*now, False))
        other.holds(*now, "after a submitted write that was refused")

    @clause("RDZV-SUBMIT-1")
    def test_RDZV_SUBMIT_1_a_submitted_wait_ends_with_a_change_or_in_time(self, under_test: BackendUnderTest) -> None:
        """It ends at once where the token is another, in vain after its timeout, and with the next write."""
        register, writer = under_test.open(), under_test.open()
        at = Submitter(under_test, register.backend, "wait_state")
        token = writer.write(b"there")
        there = StateSnapshot(b"there", token)
        equal("the submitted wait_state(None, …)", at("wait_state", None, under_test.paced(LONG)), (True, there))
        equal("the submitted wait_state(current token)", _takes_its_time(at, "wait_state", token), (False, there))
        waiting = at.begin("wait_state", token, under_test.paced(LONG))
        that(not waiting.ended(under_test.paced(SHORT)), f"{waiting.what} ended though nothing had changed")
        newer = writer.write(b"next", token)
        changed = waiting.result(under_test.paced(SOON))
        equal("the submitted wait_state(current token) after a write", changed, (True, StateSnapshot(b"next", newer)))

    @clause("RDZV-SUBMIT-1")
    def test_RDZV_SUBMIT_1_submitted_calls_of_members_give_what_called_ones_give(
        self, under_test: BackendUnderTest
    ) -> None:
        """A member that entered, was renewed and left by submitted calls is one like any other."""
        register = under_test.open()
        at = Submitter(under_test, register.backend, *MEMBERS)
        witness = under_test.needs(SupportsMembership, under_test.open())
        lease = at("enter", b"submitted", TTL)
        second = witness.enter(b"called", TTL)
        there = witness.members().members
        equal("the ids after a submitted enter()", [member.id for member in there], [lease.id, second.id])
        equal("the submitted members()", at("members").members, there)
        equal("the submitted first(1)", at("first", 1).members, there[:1])
        equal("the submitted count()", at("count"), 2)
        equal("the submitted update()", at("update", lease, b"other"), True)
        equal("the payload after a submitted update()", witness.first(1).members[0].payload, b"other")
        equal("the submitted refresh()", at("refresh", lease), True)
        version = at("members").version
        equal("the submitted wait_members(current version)", _takes_its_time(at, "wait_members", version), False)
        if "wait_members" in at.submittable:
            waiting = at.begin("wait_members", version, under_test.paced(LONG))
            that(not waiting.ended(under_test.paced(SHORT)), f"{waiting.what} ended though nothing had changed")
            witness.leave(second)
            equal(f"{waiting.what} after a change", waiting.result(under_test.paced(SOON)), True)
        at("leave", lease)
        that(lease.id not in [member.id for member in witness.members().members], "a submitted leave() left the member")
        equal("the submitted refresh() after leave()", at("refresh", lease), False)
        equal("the submitted update() after leave()", at("update", lease, b"again"), False)

    @clause("RDZV-SUBMIT-1")
    def test_RDZV_SUBMIT_1_submitted_calls_of_a_store_give_what_called_ones_give(
        self, under_test: BackendUnderTest
    ) -> None:
        """A value that is there, or comes, and the keys that did not come in time."""
        register = under_test.open()
        under_test.needs(SupportsSubmit, register)
        under_test.needs(SupportsStore, register)
        store = register.call("store('submitted')", register.backend.store, "submitted")  # type: ignore[attr-defined]
        at = Submitter(under_test, store, *STORE)
        at("set", "key", b"value")
        equal("the submitted get('key')", at("get", "key", SHORT), b"value")
        equal("the submitted check(['key', 'none'])", at("check", ["key", "none"]), False)
        equal("the submitted compare_set('key', …)", at("compare_set", "key", b"value", b"new"), b"new")
        equal("the submitted add('number', 2)", at("add", "number", 2), 2)
        at("multi_set", {"other": b"more"})
        at("wait", ["key", "other"], SHORT)
        equal("the submitted multi_get", at("multi_get", ["key", "other"], SHORT), [b"new", b"more"])
        equal("the submitted num_keys()", at("num_keys"), 3)
        equal("the submitted delete_key('key')", at("delete_key", "key"), True)
        if "get" in at.submittable:
            waiting = at.begin("get", "key", under_test.paced(LONG))
            that(not waiting.ended(under_test.paced(SHORT)), f"{waiting.what} ended though the key was not set")
            at("set", "key", b"late")
            equal(waiting.what, waiting.result(under_test.paced(SOON)), b"late")
        error = raises(RendezvousTimeoutError, "the submitted get('none', …)", at, "get", "none", SHORT)
        that("none" in str(error), f"the error of the submitted get('none', …) does not name the key: {error}")

    @clause("RDZV-SUBMIT-1")
    def test_RDZV_SUBMIT_1_a_submitted_call_has_the_error_that_the_method_raises(
        self, under_test: BackendUnderTest
    ) -> None:
        """A bad argument, and storage that cannot be read, end a submitted call with the error for it."""
        register = under_test.open()
        at = Submitter(under_test, register.backend, "enter", "get_state", "wait_state")
        if "enter" in at.submittable:
            for what, payload, ttl in (("ttl", b"", -1.0), ("payload of 4097 bytes", bytes(4097), TTL)):
                raises(ValueError, f"the submitted enter() with a bad {what}", at, "enter", payload, ttl)
        if not at.submittable & {"get_state", "wait_state"}:
            return
        if under_test.helpers.corrupt is None:
            raise Untested("needs the helper corrupt(params), which corrupts what is stored")
        token = register.write(b"good")
        under_test.helpers.corrupt(under_test.parameters())
        for method, arguments in (("get_state", ()), ("wait_state", (token, under_test.paced(SHORT)))):
            if method in at.submittable:
                what = f"the submitted {method}() on corrupt storage"
                raises(RendezvousStateError, what, at, method, *arguments)

    @clause("RDZV-SUBMIT-2")
    def test_RDZV_SUBMIT_2_done_is_called_once_for_each_call(self, under_test: BackendUnderTest) -> None:
        """Many at once, in vain, in time, and with a change that comes together with the timeout."""
        register, writer = under_test.open(), under_test.open()
        at = Submitter(under_test, register.backend)
        begun = [each for _ in range(AT_ONCE) for each in _begin_reads(at)]
        token = writer.write(b"0")
        for turn in range(ROUNDS if "wait_state" in at.submittable else 0):
            begun += [at.begin("wait_state", token, 0.02), at.begin("wait_state", token, under_test.paced(SHORT))]
            begun[-2].ended(turn * 0.004)  # the write comes before, with or after the end of the first
            token = writer.write(b"%d" % turn, token)
        for each in begun:
            each.result(under_test.paced(LONG))
        register.close()
        _ended_once(under_test, begun)

    @clause("RDZV-SUBMIT-2")
    def test_RDZV_SUBMIT_2_a_submitted_call_ends_once_where_the_store_goes_away(
        self, under_test: BackendUnderTest
    ) -> None:
        """On a silent store it ends in time, and an answer that comes late, or a connection cut, is no second end."""
        Submitter(under_test, under_test.open().backend, *READS, *WAITS)
        with through_proxy(under_test) as (register, proxy):
            at = Submitter(under_test, register.backend)
            token = register.write(b"there")
            limit = under_test.target.impatience() + under_test.paced(SHORT)
            proxy.pause()
            silenced = _begin_reads(at)
            for each in silenced:
                raises(RendezvousConnectionError, f"{each.what} on a store that fell silent", each.result, limit)
            proxy.resume()
            await_return(under_test, register)
            waits = ["wait_state"] if "wait_state" in at.submittable else []
            cut = [at.begin(method, token, under_test.paced(SHORT)) for method in waits]
            proxy.cut()
            cut += _begin_reads(at)
            for each in cut:
                raises(RendezvousConnectionError, f"{each.what} on a store that is gone", each.result, limit)
            proxy.restore()
            await_return(under_test, register)
            _ended_once(under_test, [*silenced, *cut])

    @clause("RDZV-SUBMIT-3")
    def test_RDZV_SUBMIT_3_close_ends_what_is_submitted(self, under_test: BackendUnderTest) -> None:
        """Within a second each call that waits has ended with an error, and so does one that is submitted later."""
        with _unanswered(under_test) as (register, begin):
            begun = [begin() for _ in range(AT_ONCE)]
            that(not begun[0].ended(under_test.paced(SHORT)), f"{begun[0].what} ended though nothing had changed")
            limit = CLOSE_ENDS_WAITS + under_test.paced(GRACE)
            began = time.monotonic()
            register.close(limit)
            for each in begun:
                ended = each.ended(max(0.0, began + limit - time.monotonic()))
                that(ended, f"{each.what} goes on {limit:.0f} s after close(): it must end within 1 s")
            begun.append(begin())
            for each in begun:
                what = f"{each.what}, ended by close(),"
                raises(RendezvousConnectionError, what, each.result, under_test.paced(SOON))
            _ended_once(under_test, begun)

    @clause("RDZV-SUBMIT-3")
    def test_RDZV_SUBMIT_3_no_call_submitted_while_it_closes_is_lost(self, under_test: BackendUnderTest) -> None:
        """One thread submits while another closes: every call ends, and ends once."""
        Submitter(under_test, under_test.open().backend, *READS, *WAITS)
        everything: list[Submitted] = []
        for _ in range(ROUNDS):
            register = under_test.open()
            at = Submitter(under_test, register.backend)
            acts: tuple[Callable[[], list[Submitted]], ...] = (
                lambda at=at: [each for _ in range(AT_ONCE) for each in _begin_reads(at)],  # type: ignore[misc]
                lambda register=register: register.close() or [],  # type: ignore[misc]
            )
            begun, _ = race(2, lambda number, acts=acts: acts[number](), under_test.target.pace)  # type: ignore[misc]
            limit = under_test.paced(SOON)
            for each in begun:
                that(each.ended(limit), f"{each.what}, submitted while close() ran, has not ended after {limit:.0f} s")
            everything += begun
        _ended_once(under_test, everything)

    @clause("RDZV-SUBMIT-4")
    def test_RDZV_SUBMIT_4_submit_returns_at_once_and_takes_no_thread_for_each_call(
        self, under_test: BackendUnderTest
    ) -> None:
        """Many calls that wait are submitted in no time, and a few threads at most are what they cost."""
        with _unanswered(under_test) as (register, begin):
            begin()  # what is made once is made now
            before = threading.active_count()
            limit = under_test.paced(SOON)
            submitting = Running(lambda: [begin() for _ in range(CALLS)])
            waits = f"submit(…) of a call that waits has not returned after {limit:.0f} s: it must return at once"
            begun = submitting.result(limit, waits)
            grown = threading.active_count() - before
            that(grown <= MOST_THREADS, f"{CALLS} submitted calls that wait cost {grown} threads: none is for one call")
            that(not begun[0].ended(0), f"{begun[0].what} ended though nothing had changed")
            register.close()


def _check_names(who: str, at: Submitter) -> None:
    that(
        isinstance(at.submittable, frozenset) and at.submittable,
        f"submittable of {who} is {at.submittable!r}: it must be a frozenset of names of methods",
    )
    for name in at.submittable:
        there = isinstance(name, str) and callable(getattr(at.target, name, None))
        that(there, f"submittable of {who} names {name!r}, which is no method of it")


def _begin_reads(at: Submitter) -> list[Submitted]:
    """Post each read that can be."""
    return [at.begin(method, *arguments) for method, arguments in READS.items() if method in at.submittable]


def _takes_its_time(at: Submitter, method: str, token: object) -> object:
    began = time.monotonic()
    answer = at(method, token, SHORT)
    took = time.monotonic() - began
    that(took >= SHORT - CLOCK_TOLERANCE, f"the submitted {method}(…, {SHORT}) gave up after {took:.3f} s already")
    return answer


def _ended_once(under_test: BackendUnderTest, begun: Iterable[Submitted]) -> None:
    threading.Event().wait(under_test.paced(SETTLES))  # nothing tells that no second end will come
    for each in begun:
        if len(each.ends) != 1:
            what = f"{each.what} has ended {len(each.ends)} times: done must be called once"
            raise Blamed(what, ("RDZV-SUBMIT-2",))  # whichever clause the test is for


@contextmanager
def _unanswered(under_test: BackendUnderTest) -> Iterator[tuple[Register, Callable[[], Submitted]]]:
    """An instance, and how to submit a call on it that does not end by itself."""
    register = under_test.open()
    at = Submitter(under_test, register.backend)
    if "wait_state" in at.submittable:
        yield register, lambda: at.begin("wait_state", None, under_test.paced(LONG))
    elif "wait_members" in at.submittable:
        version = at("members").version
        yield register, lambda: at.begin("wait_members", version, under_test.paced(LONG))
    else:
        Submitter(under_test, register.backend, *READS)
        method = next(method for method in READS if method in at.submittable)
        with through_proxy(under_test) as (behind, proxy):
            silent = Submitter(under_test, behind.backend)
            silent(method, *READS[method])
            proxy.pause()
            yield behind, lambda: silent.begin(method, *READS[method])
