"""Looking names up: within a time, and once for all attempts that wait for it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from rdzv_tcp import TcpServer
from rdzv_tcp._client import resolver as lookup
from rdzv_tcp._client.errors import CallAborted
from rdzv_tcp._client.pending_calls import PendingCall
from rdzv_tcp._client.resolver import Resolver
from rdzv_tcp._net.endpoint import resolve

from rdzv_core.endpoint import HostPort

Slow = Callable[..., Any]

NAME = HostPort("localhost", 29400)


def await_answer(looking: Resolver) -> None:
    """Wait until the resolver has answered."""
    assert looking.asked is not None
    assert looking.asked.answered.wait(20)


def test_a_look_up_gives_what_the_resolver_gives() -> None:
    """A name's addresses, and an address itself, in the order that all processes agree on."""
    for endpoint in (NAME, HostPort("::1", 1), HostPort("127.0.0.1", 1)):
        assert Resolver(endpoint).addresses(PendingCall(), time.monotonic() + 20) == resolve(endpoint)


def test_an_address_needs_no_resolver(slow_resolver: Slow, refuse_thread: Callable[[str], None]) -> None:
    """It is an address without asking anybody, and without a thread."""
    slow_resolver()
    refuse_thread("")
    assert [one.host for one in Resolver(HostPort("127.0.0.1", 1)).addresses(PendingCall(), 0.0)] == ["127.0.0.1"]


def test_attempts_share_a_look_up_that_is_slow(slow_resolver: Slow) -> None:
    """Each ends in its own time; the resolver is asked once, and its answer is there for the next one."""
    resolver, looking = slow_resolver(), Resolver(NAME)
    for _ in range(3):
        with pytest.raises(socket.gaierror, match="has not answered yet"):
            looking.addresses(PendingCall(), time.monotonic() + 0.01)
    resolver.answer.set()
    await_answer(looking)
    assert looking.addresses(PendingCall(), 0.0) == resolve(NAME)
    assert resolver.asked == 2  # the line above did, too


def test_an_old_answer_is_not_used(slow_resolver: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody waited for any more says nothing of the name now."""
    monkeypatch.setattr(lookup, "_FRESH", 0.0)
    resolver, looking = slow_resolver(), Resolver(NAME)
    with pytest.raises(socket.gaierror):
        looking.addresses(PendingCall(), 0.0)
    resolver.answer.set()
    await_answer(looking)
    assert looking.addresses(PendingCall(), time.monotonic() + 20)
    assert resolver.asked == 2


def test_a_call_that_is_aborted_waits_for_no_resolver(slow_resolver: Slow) -> None:
    """`close` ends it though the look-up goes on."""
    slow_resolver()
    call = PendingCall()
    threading.Timer(0.05, call.abort).start()
    with pytest.raises(CallAborted):
        Resolver(NAME).addresses(call, time.monotonic() + 20)


def test_who_is_looked_up_late_is_connected_to(
    server: TcpServer, slow_resolver: Slow, open_backend: Callable[..., Any]
) -> None:
    """A client waits for a slow resolver as long as it may."""
    resolver = slow_resolver()
    threading.Timer(0.3, resolver.answer.set).start()
    assert open_backend(f"localhost:{server.endpoint.port}", is_host=False).get_state() is None
