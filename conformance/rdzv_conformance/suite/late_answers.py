"""RDZV-CONN-4: the timeout is that of the call, and not of each of its steps."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rdzv_conformance.contract.labels import clause, early
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Untested, that
from rdzv_conformance.harness.proxy import Proxy
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.together import together
from rdzv_conformance.suite.outages import through_proxy
from rdzv_core import RendezvousConnectionError, SupportsDelete, SupportsMembership, SupportsStore

TIMEOUT = 4.0
LATE = 0.8
"""Times the timeout that each answer takes: one alone is in time, two in one call are not."""
SLACK = 2.0
SLOW = 0.4
"""Times the timeout that each byte of an answer takes: each is in time, and the whole is not."""
HANGS = 4
"""Times the limit after which a call is not waited for any more."""
ATTEMPTS = 2
TTL = 60.0


@dataclass(frozen=True)
class _Case:
    what: str
    call: Callable[[Any, Any], object]
    reconnects: bool = False
    byte_by_byte: bool = False


class LateAnswers:
    """However many steps a call takes, and however slow each of them is, it ends within its timeout."""

    @early
    @clause("RDZV-CONN-4")
    def test_RDZV_CONN_4_a_store_that_answers_late_holds_up_no_call_for_longer(
        self, under_test: BackendUnderTest
    ) -> None:
        """Every answer comes within the timeout, though late: the call has an answer, or raises, within it as well."""
        register = under_test.open()
        under_test.needs_connection()
        under_test.keeps_more = True  # members and stores: no call takes their keys away
        if not under_test.target.impatient():
            raise Untested("needs an option for a timeout, whose name contains `timeout`, in seconds")
        cases = [_Case("get_state()", _read), _Case("set_state(…, token)", _write)]
        if isinstance(register.backend, SupportsDelete):
            cases.append(_Case("delete_state(token)", _delete))
        if isinstance(register.backend, SupportsMembership):
            cases.append(_Case("enter(…)", _enter))
        if isinstance(register.backend, SupportsStore):
            cases.append(_Case("add of a store", _add))
        cases += [_Case(f"{each.what}, which had to connect anew,", each.call, True) for each in cases[:2]]
        cases.append(_Case("get_state(), whose answer comes byte by byte,", _read, byte_by_byte=True))
        together(enumerate(cases), lambda case: _try(under_test, *case), under_test.target.pace)


def _try(under_test: BackendUnderTest, number: int, case: _Case) -> None:
    """Fail the clause if the call takes longer than its timeout, twice: a machine may stand still once."""
    timeouts = under_test.target.impatient(TIMEOUT)
    late, limit = LATE * min(timeouts.values()), sum(timeouts.values()) + under_test.paced(SLACK)
    took = 0.0
    for attempt in range(ATTEMPTS):
        with through_proxy(under_test, f"{under_test.run_id}-{number}-{attempt}", timeouts) as (register, proxy):
            token = register.write(b"there")
            if case.reconnects:
                _lose_the_connection(register, proxy, HANGS * limit)
            if case.byte_by_byte:
                proxy.dribble(1, SLOW * min(timeouts.values()), answers_only=True)
            else:
                proxy.delay_answers(late)
            began = time.monotonic()
            try:
                patience = (2 if case.byte_by_byte else HANGS) * limit
                register.call(case.what, case.call, register.backend, token, limit=patience)
            except RendezvousConnectionError:
                pass
            took = time.monotonic() - began
            proxy.delay_answers(0.0)
        if took <= limit:
            return
    of_what = "byte of an answer" if case.byte_by_byte else "answer of the store"
    each = SLOW * min(timeouts.values()) if case.byte_by_byte else late
    that(
        took <= limit,
        f"{case.what} took {took:.1f} s where each {of_what} took {each:.1f} s: with the timeouts given "
        f"({', '.join(f'{name}={value}' for name, value in timeouts.items())}) it must end within {limit:.0f} s. A "
        "timeout is that of the whole call: give each step of it what is left",
    )


def _lose_the_connection(register: Register, proxy: Proxy, limit: float) -> None:
    """Let the instance see that its connection is gone, and take new ones again."""
    proxy.cut()
    try:
        register.get_state(limit)
    except RendezvousConnectionError:
        pass
    proxy.restore()


def _read(backend: Any, _: Any) -> object:
    return backend.get_state()


def _write(backend: Any, token: Any) -> object:
    return backend.set_state(b"new", token)


def _delete(backend: Any, token: Any) -> object:
    return backend.delete_state(token)


def _enter(backend: Any, _: Any) -> object:
    return backend.enter(b"late", TTL)


def _add(backend: Any, _: Any) -> object:
    return backend.store("late").add("number", 1)
