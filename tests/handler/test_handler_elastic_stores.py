"""Elastic life on real stores: the same on a file and on a served tcp store as on the reference backend."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rdzv_core import (
    ChangeReason,
    RendezvousClosedError,
    RendezvousGracefulExitError,
    RendezvousHandler,
    RendezvousInfo,
    RendezvousParameters,
    RendezvousRoundOverError,
    create_handler,
)
from rdzv_core.hooks import Hooks, hookimpl

FAST = {"last_call_timeout": 0.5, "keep_alive_interval": 1.0, "fence_delay": 0.1, "join_timeout": 40}


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """Return the endpoint of an `rdzv serve`."""
    serve = [sys.executable, "-m", "rdzv_core", "serve", "--endpoint", "127.0.0.1:0"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.kill()


class Nodes:
    """Makes the nodes of one run on a store."""

    def __init__(self, backend: str, endpoint: str, pool: ThreadPoolExecutor) -> None:
        self.made: list[RendezvousHandler] = []
        self._where, self._run, self._pool = (backend, endpoint), uuid.uuid4().hex, pool

    def make(self, name: str, least: int, most: int, plugin: object = None, **config: Any) -> RendezvousHandler:
        hooks = Hooks(load_installed=False)
        if plugin is not None:
            hooks.register(plugin)
        options = {**FAST, "node_id": name, **config}
        params = RendezvousParameters(*self._where, self._run, least, most, local_addr=name, **options)
        self.made.append(create_handler(params, hooks=hooks))
        return self.made[-1]

    def ask(self, handler: RendezvousHandler) -> Future[RendezvousInfo]:
        return self._pool.submit(handler.next_rendezvous)

    def meet(self, *handlers: RendezvousHandler) -> list[RendezvousInfo]:
        return [asked.result(60) for asked in [self.ask(handler) for handler in handlers]]


@pytest.fixture(params=["file", "tcp"])
def nodes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Nodes]:
    endpoint = str(tmp_path / "store") if request.param == "file" else request.getfixturevalue("served")
    with ThreadPoolExecutor(16) as pool:
        made = Nodes(request.param, endpoint, pool)
        yield made
        for handler in made.made:
            handler.close()


def _told(handler: RendezvousHandler) -> ChangeReason:
    change = handler.wait_for_change(60)
    assert change is not None
    return change.reason


def test_a_late_node_is_waited_for_and_the_round_grows_to_its_maximum(nodes: Nodes) -> None:
    """WAITING is said to those at work, and the next round has all."""
    first, second, late = (nodes.make(name, 2, 3) for name in "abc")
    nodes.meet(first, second)
    asked = nodes.ask(late)
    assert {_told(first), _told(second)} == {ChangeReason.WAITING}
    infos = [*nodes.meet(first, second), asked.result(60)]
    assert [(info.rank, info.world_size, info.round) for info in infos] == [(0, 3, 2), (1, 3, 2), (2, 3, 2)]


def test_a_round_shrinks_to_its_minimum_when_one_leaves(nodes: Nodes) -> None:
    """LOST is said at once, without waiting for a lease; who stays keeps its rank where it can."""
    handlers = [nodes.make(name, 2, 3) for name in "abc"]
    infos = nodes.meet(*handlers)
    handlers[infos.index(max(infos, key=lambda info: info.rank))].leave()
    stay = [handler for handler, info in zip(handlers, infos, strict=True) if info.rank < 2]
    assert {_told(handler) for handler in stay} == {ChangeReason.LOST}
    assert sorted(info.rank for info in nodes.meet(*stay)) == [0, 1]
    assert all(handler.wait_for_change(0) is None for handler in stay)


def test_a_spare_disturbs_nobody_and_takes_a_place_that_is_free(nodes: Nodes) -> None:
    """It is not counted as waiting; when one leaves it is in."""
    first, second, spare = (nodes.make(name, 2, 2) for name in "abc")
    nodes.meet(first, second)
    asked = nodes.ask(spare)
    assert first.wait_for_change(2.0) is None
    assert first.num_nodes_waiting() == 0
    second.leave()
    assert _told(first) is ChangeReason.LOST
    infos = [*nodes.meet(first), asked.result(60)]
    assert sorted(info.rank for info in infos) == [0, 1]


def test_a_member_that_asks_again_brings_the_others_along(nodes: Nodes) -> None:
    """ASKED: its worker failed, say."""
    first, second = (nodes.make(name, 2, 2) for name in "ab")
    nodes.meet(first, second)
    asked = nodes.ask(second)
    assert _told(first) is ChangeReason.ASKED
    assert [info.round for info in (*nodes.meet(first), asked.result(60))] == [2, 2]


@pytest.mark.parametrize("close", ["set_closed", "shutdown"])
def test_closing_is_told_to_all_and_ends_every_wait(nodes: Nodes, close: str) -> None:
    """A node that works is told CLOSED; one that waits gets the error, and so does one that comes later."""
    first, second, waiting = (nodes.make(name, 2, 2) for name in "abc")
    nodes.meet(first, second)
    asked = nodes.ask(waiting)
    getattr(first, close)()
    assert _told(second) is ChangeReason.CLOSED
    with pytest.raises(RendezvousClosedError):
        asked.result(60)
    with pytest.raises(RendezvousClosedError):
        nodes.make("d", 2, 2).next_rendezvous()
    assert second.is_closed()


def test_leaving_ends_ones_own_wait(nodes: Nodes) -> None:
    """`leave` from another thread, as a signal handler would."""
    node = nodes.make("a", 2, 2)
    asked = nodes.ask(node)
    while not node.lease_ends_at() > 0:
        assert not asked.done()
    node.leave()
    with pytest.raises(RendezvousGracefulExitError):
        asked.result(60)


def test_a_plugin_orders_the_ranks(nodes: Nodes) -> None:
    """The leader asks its own plugin: all nodes have the same one, and the same ranks."""

    class Backwards:
        @hookimpl
        def rdzv_assign_ranks(self, run_id: str, candidates: list[str], last: list[str]) -> list[str]:
            return sorted(candidates, reverse=True)

    handlers = [nodes.make(name, 3, 3, Backwards()) for name in "abc"]
    infos = nodes.meet(*handlers)
    assert [info.rank for info in infos] == [2, 1, 0]
    assert infos[0].peers == ["c", "b", "a"]


def test_the_lease_goes_on_while_the_node_lives_and_is_told(nodes: Nodes) -> None:
    """`lease_ends_at` moves on with every keep-alive, `on_lease` says so, and without a membership there is none."""
    node = nodes.make("a", 1, 1)
    assert node.lease_ends_at() == float("-inf")
    ends: list[float] = []
    node.on_lease(ends.append)
    node.next_rendezvous()
    first = node.lease_ends_at()
    assert node.wait_for_change(2.5) is None
    assert node.lease_ends_at() > first
    assert ends == sorted(ends)
    assert ends[-1] == node.lease_ends_at()
    node.leave()
    assert node.lease_ends_at() == float("-inf")


def test_what_a_round_that_is_over_never_told_holds_up_no_later_round(nodes: Nodes) -> None:
    """A thread may still wait for the port of a rank 0 that died, while the next round's is asked for."""
    node, told = nodes.make("a", 1, 1), threading.Event()
    stuck = dataclasses.replace(node.next_rendezvous(), _master=lambda _: ("nobody", told.wait(60)))
    thread = threading.Thread(target=lambda: stuck.master_port)
    thread.start()
    try:
        assert nodes.meet(node)[0].master_port > 0
        assert thread.is_alive()
    finally:
        told.set()
        thread.join()


def test_a_read_from_a_peer_that_died_ends_and_one_from_a_peer_that_lives_is_woken(nodes: Nodes) -> None:
    """The key that comes in the middle of a wait is read at once; one that cannot come is an error that says why."""
    here, dying = nodes.make("a", 2, 2), nodes.make("b", 2, 2)
    infos = nodes.meet(here, dying)
    with ThreadPoolExecutor(2) as pool:
        reads = [pool.submit(infos[0].store.get, key) for key in ("said", "never")]
        infos[1].store.set("said", b"1")
        assert reads[0].result(30) == b"1"
        dying.close()  # as a process that was killed
        with pytest.raises(RendezvousRoundOverError, match=r"round 1 is over, and 'never' will not.*LOST: b \(b\) was"):
            reads[1].result(30)
    assert infos[0].store.get("said") == b"1"
