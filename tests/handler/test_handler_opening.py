"""A store that is not there yet when the handler is created."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import TimeoutError as StillWaiting

import pytest

from rdzv_core import (
    BackendRegistry,
    RendezvousBackend,
    RendezvousConfigurationError,
    RendezvousConnectionError,
    RendezvousGracefulExitError,
    RendezvousHandler,
    RendezvousTimeoutError,
    create_handler,
)
from rdzv_core import _create as creating
from rdzv_core.memory import MemoryBackend


class Late:
    """A backend whose store comes up later: `error` is raised until it is None; `silent` holds attempts up."""

    def __init__(self) -> None:
        self.error: Exception | None = RendezvousConnectionError("connection refused")
        self.silent = threading.Event()
        self.silent.set()
        self.attempts = 0
        self.made: list[RendezvousBackend] = []
        self.closed: list[RendezvousBackend] = []

    def create(self, params):
        self.attempts += 1
        self.silent.wait(30)
        if self.error is not None:
            raise self.error
        backend = MemoryBackend.from_params(params)
        close = backend.close
        backend.close = lambda: (self.closed.append(backend), close())[1]
        self.made.append(backend)
        return backend


@pytest.fixture
def late() -> Late:
    return Late()


@pytest.fixture
def make(nodes, late, monkeypatch) -> Callable[..., RendezvousHandler]:
    registry = BackendRegistry(list)
    registry.register("memory", late.create)
    monkeypatch.setattr(creating, "FIRST_ATTEMPT_SECONDS", 0.1)

    def made(**config):
        handler = create_handler(nodes.params("a", 1, 1, **config), registry)
        nodes.made.append(handler)
        return handler

    return made


def waits(future, condition: Callable[[], bool]) -> None:
    """Wait until something holds while a node joins."""
    while not condition():
        with pytest.raises(StillWaiting):
            future.result(0.02)


def test_a_store_that_comes_up_after_the_nodes_is_waited_for(nodes, make, late, caplog) -> None:
    """An etcd that is not up yet, or a name that is not resolvable yet, ended `rdzv run` in half a second."""
    handler = make()
    assert ("memory", False, float("-inf")) == (handler.get_backend(), handler.connected, handler.lease_ends_at())
    joining = nodes.start(handler)
    waits(joining, lambda: "(connection refused): this node goes on trying for" in caplog.text)
    late.error = None
    assert (1, True) == (joining.result(10).round, handler.connected)
    assert f"the store at {nodes.endpoint} was reached after" in caplog.text


def test_join_timeout_covers_a_store_that_never_comes_up(make) -> None:
    """At the deadline the error names the option, and the cause."""
    handler = make(join_timeout=0.5)
    with pytest.raises(RendezvousTimeoutError, match=r"within 0.5 s \(join_timeout\): connection refused") as caught:
        handler.next_rendezvous()
    assert isinstance(caught.value.__cause__, RendezvousConnectionError)


def test_join_timeout_covers_an_attempt_that_is_not_answered(make, late, caplog) -> None:
    """A silent store: the attempt goes on by itself, the node gives up in time, and what comes late is closed."""
    late.silent.clear()
    handler = make(join_timeout=0.3)
    with pytest.raises(RendezvousTimeoutError, match="the store has not answered"):
        handler.next_rendezvous()
    handler.close()
    late.error = None
    late.silent.set()
    while not late.closed:
        assert not threading.Event().wait(0.01)
    assert late.made == late.closed


@pytest.mark.parametrize("error", [RendezvousConfigurationError("wrong password"), ValueError("bad option")])
def test_what_waiting_cannot_fix_is_raised_on_creation(make, late, error, monkeypatch) -> None:
    """Nobody waits ten minutes for a wrong password."""
    monkeypatch.setattr(creating, "FIRST_ATTEMPT_SECONDS", 60.0)  # however busy this machine is
    late.error = error
    with pytest.raises(type(error), match=str(error)):
        make()
    assert 1 == late.attempts


def test_what_waiting_cannot_fix_ends_a_join_that_waits_for_the_store(nodes, make, late) -> None:
    """The store comes up, and refuses the credentials."""
    joining = nodes.start(make())
    waits(joining, lambda: late.attempts > 1)
    late.error = RendezvousConfigurationError("wrong password")
    with pytest.raises(RendezvousConfigurationError, match="wrong password"):
        joining.result(10)


@pytest.mark.parametrize("silent", [False, True])
def test_a_node_leaves_at_once_while_the_store_is_not_there(nodes, make, late, silent: bool) -> None:
    """SIGTERM while connecting: it does not wait for the attempt that goes on. It may join again later."""
    if silent:
        late.silent.clear()
    handler = make()
    joining = nodes.start(handler)
    waits(joining, lambda: late.attempts >= 1)
    waits(joining, joining.running)
    while not joining.done():
        handler.leave()
    with pytest.raises(RendezvousGracefulExitError):
        joining.result()
    late.error = None
    late.silent.set()
    assert handler.next_rendezvous().round == 1


def test_a_handler_that_is_closed_before_the_store_was_there_says_so(nodes, make, late) -> None:
    """`close` ends the wait, and every call after it raises."""
    handler = make()
    joining = nodes.start(handler)
    waits(joining, lambda: late.attempts > 1)
    handler.close()
    for call in (joining.result, handler.next_rendezvous, handler.is_closed, lambda: handler.wait_for_change(0)):
        with pytest.raises(RendezvousConnectionError, match="closed"):
            call()


def test_reading_calls_do_not_wait_for_a_store_that_is_not_there(make) -> None:
    """Within heartbeat_timeout they say what is wrong; leaving and waiting for a change have nothing to wait for."""
    handler = make(heartbeat_timeout=0.2)
    for call in (handler.num_nodes_waiting, handler.is_closed):
        with pytest.raises(RendezvousTimeoutError, match="connection refused"):
            call()
    handler.leave()
    assert handler.wait_for_change(0.01) is None
    assert handler.wait_until_over(0)
    assert not handler.hosts_store


def test_two_threads_that_meet_a_store_that_comes_up_make_one_backend(nodes, make, late) -> None:
    """The other one's backend, if it made one, is closed."""
    handler = make()
    joining = [nodes.start(handler), nodes.start(handler)]
    waits(joining[0], lambda: late.attempts > 2)
    late.error = None
    assert None in [future.exception(10) for future in joining]
    assert 1 == len(late.made) - len(late.closed)
