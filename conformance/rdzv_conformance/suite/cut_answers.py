"""RDZV-CONN-3 and 9: the answer of every kind of call, cut in its head and in its body."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Blamed, Untested, shown, shown_error
from rdzv_conformance.harness.proxy import Proxy
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.waits import Waits
from rdzv_conformance.suite.outages import await_return, through_proxy
from rdzv_core import RendezvousConnectionError, RendezvousTimeoutError, StateSnapshot, SupportsStore

STATE = bytes(range(256)) * 64
LENGTHS = (300, 1500, 9000)
"""Bytes of an answer about a state of 16 KiB that come through: within a head, in the body's beginning, its middle."""
SHORT_LENGTHS = (0, 4, 40)
"""The same of an answer of a few bytes."""
SOON = 5.0


class CutAnswers:
    """The connection ends within an answer, in order or not: that is our error, whatever the call was."""

    @clause("RDZV-CONN-3")
    def test_RDZV_CONN_3_an_answer_cut_in_its_body_is_a_connection_error(self, under_test: BackendUnderTest) -> None:
        """A large state, and a large value, of which a part comes: no error of a parser, and no part for the whole."""
        with through_proxy(under_test) as (register, proxy):
            expected = StateSnapshot(STATE, register.write(STATE))
            calls: dict[str, tuple[Callable[[], Any], Any]] = {"get_state()": (register.backend.get_state, expected)}
            if isinstance(register.backend, SupportsStore):
                store = register.backend.store("cut")
                store.set("large", STATE)
                calls["get of a store"] = (lambda: store.get("large", under_test.paced(SOON)), STATE)
            _cut_all(under_test, register, proxy, calls, LENGTHS)

    @clause("RDZV-CONN-3")
    def test_RDZV_CONN_3_a_cut_answer_of_any_call_is_a_connection_error(self, under_test: BackendUnderTest) -> None:
        """Reads, writes, deletions, listings, members, keys: every kind of call that the backend offers."""
        with through_proxy(under_test) as (register, proxy):
            register.write(b"there")
            waits = Waits(under_test, register, prefix="cut")
            calls = {**waits.quick(), **waits.entering(), **{what: _briefly(it) for what, it in waits.kinds().items()}}
            _cut_all(under_test, register, proxy, {what: (call, _ANY) for what, call in calls.items()}, SHORT_LENGTHS)


_ANY = object()


def _briefly(call: Callable[[float], Any]) -> Callable[[], Any]:
    return lambda: call(0.0)


def _cut_all(
    under_test: BackendUnderTest,
    register: Register,
    proxy: Proxy,
    calls: dict[str, tuple[Callable[[], Any], Any]],
    lengths: tuple[int, ...],
) -> None:
    cuts = proxy.cuts
    for number, (what, (call, expected)) in enumerate(calls.items()):
        for in_order in (False, True):
            length = lengths[number % len(lengths)] if expected is _ANY else None
            for each in lengths if length is None else (length,):
                proxy.cut_within_answer(each, in_order=in_order)
                _check(register, f"{what}, whose answer was cut after {each} bytes,", call, expected)
                await_return(under_test, register)
    if proxy.cuts == cuts:
        raise Untested("the suite's proxy saw no answer that it could have cut")


def _check(register: Register, what: str, call: Callable[[], Any], expected: Any) -> None:
    try:
        found = register.call(what, call)
    except (RendezvousConnectionError, RendezvousTimeoutError):
        return
    except Exception as error:
        told = f"{what} raised {shown_error(error)}: it must raise a RendezvousConnectionError, or tell the truth"
        raise Blamed(told, ("RDZV-CONN-3",)) from error
    if expected is not _ANY and found != expected:
        raise Blamed(f"{what} gave {shown(found)}: it must raise, or give {shown(expected)}", ("RDZV-CONN-9",))
