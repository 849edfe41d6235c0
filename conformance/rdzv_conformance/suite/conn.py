"""RDZV-CONN-1 to 3 and 6: a store that is not there, and a fork."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rdzv_conformance.contract.labels import clause, early
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Unsupported, Untested, equal, raises, that
from rdzv_conformance.harness.network import black_hole, closed_port
from rdzv_conformance.harness.proxy import Proxy
from rdzv_conformance.harness.register import Register
from rdzv_conformance.suite.processes import in_another_process
from rdzv_core import RendezvousConnectionError, SupportsMembership, SupportsStore
from rdzv_core.registry import normalize

_Use = Callable[[Register, float], object]


class Connection:
    """What cannot be reached says so, in our words and in time."""

    @clause("RDZV-CONN-1")
    def test_RDZV_CONN_1_an_unreachable_store_is_a_connection_error_in_time(self, under_test: BackendUnderTest) -> None:
        """Where no store is, creation or first use raises, within the configured timeout."""
        for endpoint, what in _unreachable(under_test):
            began = time.monotonic()
            raises(RendezvousConnectionError, what, _first_use(under_test, endpoint))
            took, limit = time.monotonic() - began, under_test.target.impatience()
            that(
                took <= limit,
                f"{what} took {took:.1f} s to raise: with the timeouts given it must within {limit:.0f} s",
            )

    @early
    @clause("RDZV-CONN-2")
    def test_RDZV_CONN_2_the_error_names_backend_and_endpoint(self, under_test: BackendUnderTest) -> None:
        """The error says which backend could not reach what, and why: of members and stores as of a register."""
        for endpoint, where in _unreachable(under_test):
            for call, use in _uses(under_test).items():
                what = f"{call} at {where}"
                error = raises(RendezvousConnectionError, what, _first_use(under_test, endpoint, use))
                text = str(error)
                name = normalize(under_test.target.backend.rpartition(":")[2])
                that(name in normalize(text), f"the error of {what} does not name the backend {name!r}: {text}")
                that(endpoint in text, f"the error of {what} does not name the endpoint {endpoint!r}: {text}")
                that(error.__cause__ is not None, f"the error of {what} chains no cause (raise … from error): {text}")

    @clause("RDZV-CONN-3")
    def test_RDZV_CONN_3_no_raw_error_escapes(self, under_test: BackendUnderTest) -> None:
        """A closed port, a silent one, and one that hangs up: each is a connection error and none other."""
        for endpoint, what in _unreachable(under_test):
            raises(RendezvousConnectionError, what, _first_use(under_test, endpoint))
        network = under_test.target.network_endpoint()
        if network is not None:
            with black_hole() as port:
                raises(RendezvousConnectionError, "a port that never answers", _first_use(under_test, network.at(port)))
            with _hanging_up() as port:
                raises(RendezvousConnectionError, "a port that hangs up", _first_use(under_test, network.at(port)))

    @clause("RDZV-CONN-6")
    def test_RDZV_CONN_6_a_fork_neither_hangs_nor_disturbs_its_parent(self, under_test: BackendUnderTest) -> None:
        """In a forked child the first use works or raises; the parent's instance goes on as before."""
        if not hasattr(os, "fork"):
            raise Unsupported("this system has no fork")
        answer = in_another_process(under_test, "fork_and_use")
        equal("whether the parent lost its state by the fork", answer["lost"], False)


def _uses(under_test: BackendUnderTest) -> dict[str, _Use]:
    """Return what may be the first use of an instance: a call of its register, of its members, and of a store."""
    uses: dict[str, _Use] = {"get_state()": _read}
    claims = under_test.open().backend
    if isinstance(claims, SupportsMembership):
        uses["count()"] = lambda register, _: under_test.needs(SupportsMembership, register).count()
    if isinstance(claims, SupportsStore):
        uses["check(['key']) of a store"] = lambda register, _: (
            under_test.needs(SupportsStore, register).store("unreachable").check(["key"])
        )
    return uses


def _read(register: Register, limit: float) -> object:
    return register.get_state(limit)


def _first_use(under_test: BackendUnderTest, endpoint: str, call: _Use = _read) -> Callable[[], object]:
    """Create an instance that gives up soon, and make a call."""
    options = {**under_test.target.as_client(), **under_test.target.impatient()}
    limit = under_test.target.impatience()

    def use() -> object:
        register = under_test.open_with(under_test.parameters(None, endpoint, **options), limit)
        return call(register, limit)

    return use


def _unreachable(under_test: BackendUnderTest) -> Iterator[tuple[str, str]]:
    """Endpoints without a store, each with what to call it."""
    under_test.needs_connection_or(under_test.helpers.unreachable_endpoint)
    if under_test.helpers.unreachable_endpoint is not None:
        endpoint = under_test.helpers.unreachable_endpoint
        yield endpoint, f"the unreachable endpoint {endpoint!r}"
        return
    network = under_test.target.network_endpoint()
    if network is None:
        raise Untested("needs an endpoint that is a host:port, or the helper unreachable_endpoint")
    endpoint = network.at(closed_port())
    yield endpoint, f"the endpoint {endpoint!r}, where nothing listens"


@contextmanager
def _hanging_up() -> Iterator[int]:
    """A port that takes a connection and ends it at once."""
    with Proxy("127.0.0.1", closed_port()) as proxy:
        yield proxy.port
