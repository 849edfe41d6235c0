"""RDZV-CONN-4 and 5, and RDZV-CAS-14: a store that falls silent, goes, comes back, or whose answer is lost."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Untested, fail, raises, shown, that
from rdzv_conformance.harness.proxy import Proxy
from rdzv_conformance.harness.register import Register
from rdzv_core import RendezvousConnectionError

LOST_ANSWERS = 4
BACK_LIMIT = 10.0


class Outages:
    """What happens on the way between a backend and its store."""

    @clause("RDZV-CONN-3", "RDZV-CONN-4")
    def test_RDZV_CONN_4_a_silent_store_is_a_connection_error_in_time(self, under_test: BackendUnderTest) -> None:
        """A store that stops answering is noticed within the configured timeout, by reads and by writes."""
        for call, what in ((_read, "get_state()"), (_write, "set_state(b'new')")):
            with _may_fall_silent(under_test) as (register, pause):
                register.get_state()
                pause()
                limit = under_test.target.impatience()
                began = time.monotonic()
                raises(RendezvousConnectionError, f"{what} on a store that fell silent", call, register, limit)
                took = time.monotonic() - began
                that(took <= limit, f"{what} on a silent store took {took:.1f} s to raise: the limit is {limit:.0f} s")

    @clause("RDZV-CONN-3", "RDZV-CONN-5")
    def test_RDZV_CONN_5_an_instance_works_again_after_a_cut(self, under_test: BackendUnderTest) -> None:
        """Connections are reset and refused, then taken again: the same instance goes on."""
        with through_proxy(under_test) as (register, proxy):
            token = register.write(b"before")
            proxy.cut()
            raises(RendezvousConnectionError, "get_state() on a store that is gone", register.get_state)
            raises(RendezvousConnectionError, "set_state() on a store that is gone", _write, register, None)
            proxy.restore()
            await_return(under_test, register)
            register.holds(b"before", token, "after the connection came back")
            register.write(b"after", token)

    @clause("RDZV-CONN-5")
    def test_RDZV_CONN_5_an_instance_works_again_after_a_restart(self, under_test: BackendUnderTest) -> None:
        """The store is restarted: the same instance goes on, and no token of before is given again."""
        under_test.needs_connection_or(under_test.helpers.restart)
        if under_test.helpers.restart is None:
            raise Untested("needs the helper restart(), which stops the store and starts it again")
        register = under_test.open(**under_test.target.as_client(), **under_test.target.impatient())
        token = register.write(b"before")
        under_test.helpers.restart()
        await_return(under_test, register)
        if not register.backend.durable:
            under_test.keep_again()
        found = register.get_state()
        newer = register.write(b"before", found and found.token)
        that(newer != token, f"after a restart of the store a write has the token {shown(token)} of one before it")

    @clause("RDZV-CAS-14")
    def test_RDZV_CAS_14_a_write_whose_answer_is_lost_is_never_reported_as_refused(
        self, under_test: BackendUnderTest
    ) -> None:
        """The store did it, the answer was lost: the caller learns that it did, or that the outcome is unknown."""
        lost = 0
        for after in range(LOST_ANSWERS):
            for exists in (False, True):
                lost += _lose_an_answer(under_test, after, exists)
        if not lost:
            raise Untested("the suite's proxy saw no answer that it could have swallowed")


def _lose_an_answer(under_test: BackendUnderTest, after: int, exists: bool) -> int:
    """Swallow the answer number `after` of a write; return how many were swallowed."""
    run_id = f"{under_test.run_id}-{after}-{exists}"
    with through_proxy(under_test, run_id) as (register, proxy):
        direct = under_test.open(run_id)
        token = direct.write(b"before") if exists else None
        register.get_state()
        proxy.swallow_answer(after)
        new = b"mine %d" % after
        try:
            answer = register.set_state(new, token)
        except RendezvousConnectionError:
            return proxy.swallowed
        if answer is None or not answer.has_set:
            there = direct.get_state()
            fail(
                f"a write with the {'current token' if exists else 'token None, where there was no state,'} whose "
                f"answer was lost gave {shown(answer)}: it must be resolved, or raise (the store holds {shown(there)})"
            )
        direct.holds(new, answer.token, "after a write whose answer was lost")
        return proxy.swallowed


def _read(register: Register, limit: float | None) -> object:
    return register.get_state(limit)


def _write(register: Register, limit: float | None) -> object:
    return register.set_state(b"new", None, limit)


def await_return(under_test: BackendUnderTest, register: Register) -> None:
    """Read until it works: each failure until then must be a connection error."""
    limit = under_test.paced(BACK_LIMIT)
    ends = time.monotonic() + limit
    while True:
        try:
            register.get_state()
        except RendezvousConnectionError as error:
            that(time.monotonic() < ends, f"{limit:.0f} s after the store came back get_state() raises {error}")
            threading.Event().wait(0.05)  # between two attempts; what is awaited tells nobody when it is there
        else:
            return


@contextmanager
def through_proxy(
    under_test: BackendUnderTest, run_id: str | None = None, timeouts: Mapping[str, Any] | None = None
) -> Iterator[tuple[Register, Proxy]]:
    """An instance that reaches its store through a proxy; a second one on the store itself keeps it there."""
    under_test.needs_connection()
    network = under_test.target.network_endpoint()
    if network is None:
        raise Untested("needs an endpoint that is a host:port, before which the suite puts a proxy")
    under_test.open(run_id)
    options = {**under_test.target.as_client(), **(timeouts or under_test.target.impatient())}
    with Proxy(network.host, network.port) as proxy:
        register = under_test.open(run_id, network.at(proxy.port), **options)
        yield register, proxy
        register.close()


@contextmanager
def _may_fall_silent(under_test: BackendUnderTest) -> Iterator[tuple[Register, Callable[[], None]]]:
    """An instance, and how to silence its store."""
    pause, resume = under_test.helpers.pause, under_test.helpers.resume
    if pause is None or resume is None:
        with through_proxy(under_test) as (register, proxy):
            yield register, proxy.pause
        return
    register = under_test.open(**under_test.target.as_client(), **under_test.target.impatient())
    try:
        yield register, pause
    finally:
        resume()
