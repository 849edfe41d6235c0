"""RDZV-LIFE: the life of an instance."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Unsupported, Untested, equal, raises, that
from rdzv_conformance.harness.proxy import Proxy
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.threads import Running, race
from rdzv_conformance.harness.waits import HOW_TO_END
from rdzv_conformance.suite.processes import Worker, once_ready
from rdzv_core import (
    RendezvousConnectionError,
    SupportsDelete,
    SupportsListing,
    SupportsMembership,
    SupportsStore,
    SupportsWatch,
)

CLOSE_ENDS_WAITS = 1.0
GRACE = 1.0
"""What a loaded machine may add to the second that the contract gives."""

LONG = 30.0
SHORT = 0.2
CLOSES = 300


class Life:
    """What is closed is gone, and nothing else is."""

    @clause("RDZV-LIFE-1")
    def test_RDZV_LIFE_1_close_may_be_called_again(self, under_test: BackendUnderTest) -> None:
        """Closing twice, from several threads, used or unused, is no error."""
        unused, used = under_test.open(), under_test.open()
        used.write(b"there")
        for register in (unused, used):
            register.close()
            register.close()
        third = under_test.open()
        race(4, lambda _: third.close(), under_test.target.pace)

    @clause("RDZV-LIFE-1", "RDZV-LIFE-5")
    def test_RDZV_LIFE_1_closing_often_lets_go_once(self, under_test: BackendUnderTest) -> None:
        """Hundreds of close() of one instance, and of a sibling: what the others share with them stays theirs."""
        one, other = under_test.open(), under_test.open()
        closed, kept = one.sibling("closed"), one.sibling("kept")
        token = other.write(b"there")
        theirs = kept.write(b"kept")
        for register in (closed, one):
            register.close()
            # The suite keeps instances of its own open: a count of users that falls too low needs as many.
            register.call(
                f"{CLOSES} times close()", lambda each=register.backend: [each.close() for _ in range(CLOSES)]
            )
        often = f"after another instance was closed {CLOSES} times"
        other.holds(b"there", token, often)
        kept.holds(b"kept", theirs, f"in a sibling {often}")
        under_test.open().holds(b"there", token, f"in a new instance {often}")
        other.write(b"next", token)

    @clause("RDZV-LIFE-2")
    def test_RDZV_LIFE_2_after_close_every_call_is_a_connection_error(self, under_test: BackendUnderTest) -> None:
        """A closed instance reads nothing, writes nothing, waits for nothing."""
        register, witness = under_test.open(), under_test.open()
        stale = register.write(b"before")
        token = register.write(b"there", stale)
        register.close()
        calls = _calls(register, {"None": None, "current token": token, "stale token": stale, "'invalid'": "invalid"})
        for what, call in calls.items():
            raises(RendezvousConnectionError, f"{what} after close()", call)
        witness.holds(b"there", token, "after calls on a closed instance")

    @clause("RDZV-LIFE-3")
    def test_RDZV_LIFE_3_close_ends_a_wait_of_another_thread(self, under_test: BackendUnderTest) -> None:
        """A thread that waits for a change learns within a second that the instance was closed."""
        register = under_test.open()
        under_test.needs(SupportsWatch, register)
        token = register.write(b"there")
        waiting = Running(register.wait_state, token, under_test.paced(LONG))
        that(
            not waiting.ended(under_test.paced(SHORT)), "wait_state(current token) returned though nothing had changed"
        )
        _close_ends(under_test, register, waiting, "wait_state(current token)")

    @clause("RDZV-LIFE-3")
    def test_RDZV_LIFE_3_close_ends_a_call_on_a_silent_store(self, under_test: BackendUnderTest) -> None:
        """A thread that waits for an answer in vain learns within a second that the instance was closed."""
        under_test.needs_connection()
        network = under_test.target.network_endpoint()
        if network is None:
            raise Unsupported("no call of it waits, as far as the suite can bring about")
        under_test.open()
        with Proxy(network.host, network.port) as proxy:
            register = under_test.open(None, network.at(proxy.port), **under_test.target.as_client())
            register.get_state()
            proxy.pause()
            waiting = Running(register.get_state, under_test.paced(LONG))
            if waiting.ended(under_test.paced(SHORT)):
                waiting.result(0, "")
                raise Unsupported("get_state() needs no answer of the store")
            _close_ends(under_test, register, waiting, "get_state() on a silent store")

    @clause("RDZV-LIFE-4")
    def test_RDZV_LIFE_4_close_leaves_nothing_behind(self, under_test: BackendUnderTest) -> None:
        """After close no thread, descriptor, process or temp file is left, nor a lock that another would wait for."""
        with (
            tempfile.TemporaryDirectory(prefix="rdzv-conformance-") as own,
            once_ready([Worker(under_test, "leave_nothing", {"TMPDIR": own}, instances=3)]) as (worker,),
        ):
            worker.go()
            equal("what three instances left after close()", worker.expect("done")["left"], [])
            # The process lives on: a lock that it still holds would stop these.
            for register in (under_test.open(), under_test.open().sibling("sibling")):
                found = register.get_state()
                register.write(b"after all others were closed", found and found.token)

    @clause("RDZV-LIFE-6")
    def test_RDZV_LIFE_6_of_a_deleted_register_no_key_is_left(self, under_test: BackendUnderTest) -> None:
        """Written several times, by several instances, deleted and closed: the store holds nothing of it any more."""
        register, other = under_test.open(), under_test.open()
        under_test.needs(SupportsDelete, register)
        if under_test.helpers.keys is None:
            raise Untested(
                "needs the helper keys(params), which lists the store's keys: what tests left is not counted"
            )
        opened = (register, other, other.sibling("sibling"))
        for each in (register, opened[-1]):
            token = each.write(b"first")
            that(under_test.keys_left(), "the helper keys(params) lists no key of a register that was written")
            each.delete_state(each.write(b"second", token))
            each.write(b"anew")
            each.delete_state()
        for each in opened:
            each.close()
        equal("the keys in the store of registers that were deleted", under_test.keys_left(), [])

    @clause("RDZV-LIFE-5")
    def test_RDZV_LIFE_5_closing_one_does_not_disturb_the_others(self, under_test: BackendUnderTest) -> None:
        """The other instances, and a closed one's siblings, go on."""
        one, other = under_test.open(), under_test.open()
        sibling = one.sibling("sibling")
        token, theirs = one.write(b"there"), sibling.write(b"sibling")
        one.close()
        other.holds(b"there", token, "after another instance was closed")
        token = other.write(b"next", token)
        sibling.holds(b"sibling", theirs, "after the instance that made the sibling was closed")
        theirs = sibling.write(b"sibling's next", theirs)
        second = other.sibling("sibling")
        second.holds(b"sibling's next", theirs, "in another sibling")
        sibling.close()
        second.holds(b"sibling's next", theirs, "after another sibling was closed")
        for maker in (second, other):
            twin = maker.sibling("sibling")
            maker.sibling("sibling").close()
            twin.get_state()  # whatever it holds: that is RUN-3's
        second.holds(b"sibling's next", theirs, "after siblings for its own purpose that it made were closed")
        second.close()
        other.holds(b"next", token, "after its sibling was closed")


def _close_ends(under_test: BackendUnderTest, register: Register, waiting: Running[Any], what: str) -> None:
    # The second is the contract's, however slow the store is: close() waits for no answer.
    limit = CLOSE_ENDS_WAITS + under_test.paced(GRACE)
    began = time.monotonic()
    register.close(limit)
    ended = waiting.ended(max(0.0, began + limit - time.monotonic()))
    that(ended, f"{what} goes on {limit:.0f} s after close(): it must end within 1 s. {HOW_TO_END}")
    raises(RendezvousConnectionError, f"{what}, ended by close(),", waiting.result, 0, "")


def _calls(register: Register, tokens: dict[str, Any]) -> dict[str, Callable[[], object]]:
    """Return every call about the register, with each token and with time or none, and those of the capabilities."""
    backend = register.backend
    calls: dict[str, Callable[[], object]] = {"get_state()": register.get_state}
    for named, token in tokens.items():
        calls[f"set_state(b'new', {named})"] = partial(register.set_state, b"new", token)
        if isinstance(backend, SupportsDelete):
            calls[f"delete_state({named})"] = partial(register.delete_state, token)
        if isinstance(backend, SupportsWatch):
            for timeout in (0, 1.0):
                calls[f"wait_state({named}, {timeout})"] = partial(register.wait_state, token, timeout)
    return {**calls, **_calls_of_capabilities(register)}


def _calls_of_capabilities(register: Register) -> dict[str, Callable[[], object]]:
    backend = register.backend
    calls: dict[str, Callable[[], object]] = {}
    if isinstance(backend, SupportsListing):
        listing = backend
        calls["list_keys()"] = lambda: register.call("list_keys()", listing.list_keys)
    if isinstance(backend, SupportsMembership):
        membership = backend
        calls["members()"] = lambda: register.call("members()", membership.members)
        calls["count()"] = lambda: register.call("count()", membership.count)
        calls["enter(b'', 10)"] = lambda: register.call("enter(b'', 10)", membership.enter, b"", 10.0)
    if isinstance(backend, SupportsStore):
        storing = backend
        calls["store('closed').num_keys()"] = lambda: register.call("store", lambda: storing.store("closed").num_keys())
    return calls
