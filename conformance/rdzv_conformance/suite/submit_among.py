"""RDZV-SUBMIT-1, 3 and 5: submitted calls among others, those of siblings, and what goes wrong in done."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import contextlib
import math
import queue
import threading
from asyncio import CancelledError
from collections.abc import Callable, Iterator
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Blamed, ClauseFailed, Untested, equal, raises, that
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.submitted import Submitted, Submitter
from rdzv_conformance.harness.threads import Running
from rdzv_conformance.harness.wakes import Kind, Wait, Wakes
from rdzv_conformance.suite.submit_waits import waits_of
from rdzv_core import RendezvousConnectionError, StateSnapshot, SupportsDelete, SupportsWatch

SHORT = 0.3
SOON = 5.0
LONG = 60.0
WAITS = 300
"""More than a queue, a pool or a table of pending calls has by default."""
AT_ONCE, MOST_THREADS = 50, 8
MANY = 20
"""Some of them end at the same time, which is never: a queue by time may have to compare calls."""
ENDLESS = (2**31 / 1000, 2**31, 2**32, 2**63, 1e300, math.inf)
SUBMITTED = "a submitted write"
READS: dict[str, tuple[Any, ...]] = {"get_state": (), "members": (), "count": (), "first": (1,)}


class SubmittedAmong:
    """A submitted call is one like any other: it holds up none, is of its own instance, and ends as it should."""

    @clause("RDZV-SUBMIT-1")
    def test_RDZV_SUBMIT_1_a_submitted_wait_holds_up_nothing(self, under_test: BackendUnderTest) -> None:
        """While hundreds wait, submitted reads, calls, and another wait with a short timeout end in their own time."""
        register, writer = under_test.open(), under_test.open()
        at = Submitter(under_test, register.backend, "wait_state")
        token = writer.write(b"there")
        waiting = [at.begin("wait_state", token, under_test.paced(LONG)) for _ in range(WAITS)]
        limit = under_test.paced(SOON)
        for method, arguments in READS.items():
            if method in at.submittable:
                at.begin(method, *arguments).result(limit)
        shorter = at.begin("wait_state", token, SHORT)
        called = Running(register.get_state)
        held_up = f"get_state() has not returned after {limit:.0f} s while submitted calls wait"
        equal("what get_state() gave while submitted calls wait", called.result(limit, held_up), (b"there", token))
        refused = Running(register.set_state, b"late", "invalid")
        refused.result(limit, f"set_state() has not returned after {limit:.0f} s while submitted calls wait")
        equal(shorter.what, shorter.result(limit), (False, StateSnapshot(b"there", token)))
        that(not any(each.ended(0) for each in waiting), f"{waiting[0].what} ended though nothing had changed")
        newer = register.write(b"next", token)
        for each in waiting:
            equal(f"{each.what} after a write", each.result(limit), (True, StateSnapshot(b"next", newer)))

    @clause("RDZV-SUBMIT-1")
    def test_RDZV_SUBMIT_1_a_submitted_wait_takes_any_timeout(self, under_test: BackendUnderTest) -> None:
        """Without time it looks once; with more than a clock can count it ends with the change, a deletion too."""
        register, writer = under_test.open(), under_test.open()
        at = Submitter(under_test, register.backend, "wait_state")
        token = writer.write(b"there")
        for none in (0, 0.0, 1e-9):
            equal(f"wait_state with {none} s", at("wait_state", token, none), (False, StateSnapshot(b"there", token)))
        waiting = [at.begin("wait_state", token, each) for each in (*[math.inf] * MANY, *ENDLESS)]
        waiting[-1].ended(under_test.paced(SHORT))
        for each in waiting:
            that(not each.ended(0), f"{each.what} ended though nothing had changed: {each.ends}")
        expected: Any = (True, None)
        if isinstance(writer.backend, SupportsDelete):
            writer.delete_state()
        else:
            expected = (True, StateSnapshot(b"next", writer.write(b"next", token)))
        for each in waiting:
            equal(f"{each.what} after a change", each.result(under_test.paced(SOON)), expected)

    @clause("RDZV-SUBMIT-1")
    def test_RDZV_SUBMIT_1_a_change_wakes_who_waits_by_a_submitted_call(self, under_test: BackendUnderTest) -> None:
        """Typically a submitted wait ends with the write or deletion, as a called one does."""
        register = under_test.open()
        at = Submitter(under_test, register.backend, "wait_state", "set_state")
        under_test.needs(SupportsWatch, register)
        whats = ["a write", *(["a deletion"] if isinstance(register.backend, SupportsDelete) else [])]
        whats = whats if "wait_state" in at.submittable else []
        whats += [SUBMITTED] if "set_state" in at.submittable else []
        kinds = []
        for number, what in enumerate(whats):  # each on a run of its own: nobody is woken by another kind
            waiting, changing = (under_test.open(f"{under_test.run_id}-{number}") for _ in range(2))
            at, by = (Submitter(under_test, each.backend) for each in (waiting, changing))
            kinds.append(_kind(what, at, by, waiting, changing))
        Wakes(under_test, register.get_state).judge(kinds)

    @clause("RDZV-SUBMIT-1")
    def test_RDZV_SUBMIT_1_what_a_sibling_submits_is_done_on_its_own_register(
        self, under_test: BackendUnderTest
    ) -> None:
        """A sibling claims what the instance claims, reads its own state, and waits for its own changes."""
        register, other = under_test.open(), under_test.open()
        Submitter(under_test, register.backend, "get_state", "wait_state")
        register.write(b"of the run")
        token = other.sibling("submits").write(b"of the sibling")
        at = Submitter(under_test, register.sibling("submits").backend)
        equal("what a sibling can submit", at.submittable, Submitter(under_test, register.backend).submittable)
        there = StateSnapshot(b"of the sibling", token)
        equal("the submitted get_state() of a sibling", at("get_state"), there)
        if "wait_state" in at.submittable:
            equal("the submitted wait_state() of a sibling", at("wait_state", token, SHORT), (False, there))

    @clause("RDZV-SUBMIT-3")
    def test_RDZV_SUBMIT_3_close_ends_no_submitted_call_of_others(self, under_test: BackendUnderTest) -> None:
        """Those of another instance, and of a sibling, go on, and end with the change that they wait for."""
        register, other = under_test.open(), under_test.open()
        at = Submitter(under_test, register.backend, "wait_state")
        token = register.write(b"there")
        sibling = register.sibling("submits")
        others = [Submitter(under_test, each.backend) for each in (other, sibling)]
        own = at.begin("wait_state", token, under_test.paced(LONG))
        waiting = [
            each.begin("wait_state", used, under_test.paced(LONG))
            for each, used in zip(others, (token, None), strict=True)
        ]
        register.close()
        raises(RendezvousConnectionError, f"{own.what}, ended by close(),", own.result, under_test.paced(SOON))
        for each in waiting:
            ended = each.ended(under_test.paced(SHORT) / 2)
            that(not ended, f"{each.what} of another instance ended when one was closed: {each.ends}")
        other.write(b"next", token)
        sibling.write(b"first")
        for each in waiting:
            changed = each.result(under_test.paced(SOON))
            that(changed[0], f"{each.what} of another instance ended in vain after one was closed")

    @clause("RDZV-SUBMIT-5")
    def test_RDZV_SUBMIT_5_an_error_of_done_concerns_no_other_call(self, under_test: BackendUnderTest) -> None:
        """What done raises ends neither the calls that wait nor later ones, and is no reason to call it again."""
        register, writer = under_test.open(), under_test.open()
        at = Submitter(under_test, register.backend)
        read = _a_read(at)
        token = writer.write(b"there")
        waiting = at.begin("wait_state", token, under_test.paced(LONG)) if "wait_state" in at.submittable else None
        calls = {**READS, "enter": (b"", LONG), "wait_state": (None, SHORT)}
        ends: queue.SimpleQueue[Any] = queue.SimpleQueue()
        with _quietly():
            for method in [each for each in calls if each in at.submittable]:
                for error in (ZeroDivisionError, CancelledError, ZeroDivisionError):
                    what = f"{method}, whose done raises {error.__name__}"
                    with contextlib.suppress(error):  # where the call ends within submit()
                        at.target.submit(method, calls[method], _failing(what, error, ends))
                    _next(ends, under_test.paced(SOON), f"{what}, submitted after done of another call has raised,")
            for _ in range(3):
                at.begin(read[0], *read[1]).result(under_test.paced(SOON))
            equal("get_state() after done of a call has raised", register.get_state(), (b"there", token))
            if waiting is not None:
                that(not waiting.ended(0), f"{waiting.what} ended when done of another call had raised: {waiting.ends}")
                writer.write(b"next", token)
                that(waiting.result(under_test.paced(SOON))[0], f"{waiting.what} ended in vain")
        if not ends.empty():
            raise Blamed(f"{ends.get()} has ended 2 times: done must be called once", ("RDZV-SUBMIT-2",))

    @clause("RDZV-SUBMIT-5")
    def test_RDZV_SUBMIT_5_close_tells_everybody_whatever_done_does(self, under_test: BackendUnderTest) -> None:
        """Some raise, and one submits another call: every call that close() ends, and that one, is told."""
        register = under_test.open()
        at = Submitter(under_test, register.backend, "wait_state")
        read, token = _a_read(at), register.write(b"there")
        ends: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def submit_again(_: Any, __: Exception | None) -> None:
            at.target.submit(*read, lambda *_: ends.put("what it submits"))

        dones = [_failing("a wait", error, ends) for error in (ZeroDivisionError, CancelledError, ZeroDivisionError)]
        with _quietly():
            for done in (*dones, submit_again, *dones):
                at.target.submit("wait_state", (token, under_test.paced(LONG)), done)
            last_one = at.begin("wait_state", token, under_test.paced(LONG))
            last_one.ended(under_test.paced(SHORT))
            register.close()
            limit = under_test.paced(SOON)
            what = f"{last_one.what}, ended by close() after others whose done raises or submits,"
            raises(RendezvousConnectionError, what, last_one.result, limit)
            for _ in (*dones, read, *dones):
                _next(ends, limit, "a call whose done raises, or that done submits, while close() ends others,")

    @clause("RDZV-SUBMIT-4")
    def test_RDZV_SUBMIT_4_waits_of_members_and_stores_take_no_thread_each(self, under_test: BackendUnderTest) -> None:
        """Fifty of a kind wait at a time, and cost a few threads at most."""
        register = under_test.open()
        for each in waits_of(under_test, register):
            each.begin(under_test.paced(LONG))  # what is made once is made now
            before = threading.active_count()
            for _ in range(AT_ONCE):
                each.begin(under_test.paced(LONG))
            grown = threading.active_count() - before
            that(grown <= MOST_THREADS, f"{AT_ONCE} submitted calls of {each.what} that wait cost {grown} threads")
        register.close()

    @clause("RDZV-SUBMIT-5")
    def test_RDZV_SUBMIT_5_an_instance_is_closed_from_within_done(self, under_test: BackendUnderTest) -> None:
        """close() there returns, raises nothing, and ends what else is submitted."""
        register = under_test.open()
        at = Submitter(under_test, register.backend)
        method, arguments = _a_read(at)
        register.write(b"there")
        left: list[Submitted] = []
        if "wait_state" in at.submittable:
            left.append(at.begin("wait_state", register.get_state().token, under_test.paced(LONG)))  # type: ignore[union-attr]
        ends: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def close(_: Any, __: Exception | None) -> None:
            try:
                register.backend.close()
            except Exception as error:  # noqa: BLE001 - told
                ends.put(error)
            else:
                ends.put(None)

        at.target.submit(method, arguments, close)
        raised = _next(ends, under_test.paced(SOON), "close() from within done")
        that(raised is None, f"close() from within done raised {raised!r}")
        register.close()
        for each in left:
            raises(RendezvousConnectionError, f"{each.what}, ended by close(),", each.result, under_test.paced(SOON))


def _kind(what: str, at: Submitter, by: Submitter, register: Register, changing: Register) -> Kind:
    seen: list[Any] = [None]

    def arm() -> Wait:
        found = register.get_state()
        token = seen[0] = register.write(b"there") if found is None else found.token
        if what == SUBMITTED:
            return lambda timeout: register.wait_state(token, timeout)
        return lambda timeout: at.begin("wait_state", token, timeout).result(timeout)

    change: Callable[[], object] = {
        "a write": lambda: changing.write(b"changed", seen[0]),
        SUBMITTED: lambda: by("set_state", b"changed", seen[0]),
        "a deletion": lambda: changing.delete_state(),
    }[what]
    call = f"{'' if what == SUBMITTED else 'the submitted '}wait_state(current token)"
    return Kind(what, call, "RDZV-SUBMIT-1", arm, change)


def _a_read(at: Submitter) -> tuple[str, tuple[Any, ...]]:
    for method, arguments in READS.items():
        if method in at.submittable:
            return method, arguments
    raise Untested("the suite does not know how to submit what is submittable there")


def _failing(what: str, error: type[BaseException], ends: queue.SimpleQueue[Any]) -> Callable[[Any, Any], None]:
    """Return a done that notes that it was called, and raises."""

    def done(_: Any, __: Exception | None) -> None:
        ends.put(what)
        raise error("done of the suite fails, as a user's may")

    return done


def _next(ends: queue.SimpleQueue[Any], limit: float, what: str) -> Any:
    try:
        return ends.get(timeout=limit)
    except queue.Empty:
        raise ClauseFailed(f"{what} has not ended after {limit:.0f} s") from None


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Let what threads end with be told to nobody: it is the suite's own error."""
    before = threading.excepthook
    threading.excepthook = lambda _: None
    try:
        yield
    finally:
        threading.excepthook = before
