"""The port that rank 0 publishes: in time, or in the background."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from rdzv_core import RendezvousHandler, RendezvousTimeoutError
from rdzv_core._handler import master_port as module
from rdzv_core.memory import MemoryBackend
from rdzv_core.memory._store import MemoryStore

PATIENCE = 20.0


class Slow(MemoryBackend):
    """A backend whose rounds' stores take no write before they are let."""

    let: threading.Event

    def store(self, prefix: str) -> Any:
        let = self.let

        class Store(MemoryStore):
            def set(self, key: str, value: bytes) -> None:
                assert let.wait(PATIENCE)
                super().set(key, value)

        return Store(self, prefix)


@pytest.fixture
def slow(nodes: Any) -> Iterator[RendezvousHandler]:
    """A node alone whose store is slow until `Slow.let` is set."""
    Slow.let = threading.Event()
    params = nodes.params("a", 1, 1, join_timeout=2)
    handler = RendezvousHandler(Slow.from_params(params), params)
    nodes.made.append(handler)
    yield handler
    Slow.let.set()


def test_the_port_is_published_when_the_rendezvous_returns(nodes: Any) -> None:
    """A node whose work is short may go at once: the others find the port all the same."""
    (info,) = nodes.meet(nodes.make("a", 1, 1))
    assert info.store.check(["rdzv/master_port"])
    assert 0 < info.master_port < 65536


def test_a_store_that_hangs_keeps_rank_0_for_a_second_at_most(slow: RendezvousHandler) -> None:
    """It goes to work, and the others wait for the port."""
    began = time.monotonic()
    info = slow.next_rendezvous()
    assert time.monotonic() - began < 4.0
    assert not info.store.check(["rdzv/master_port"])
    Slow.let.set()
    assert info.master_port


def test_a_store_that_hangs_does_not_keep_rank_0_past_its_join_timeout(
    slow: RendezvousHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it would wait otherwise."""
    monkeypatch.setattr(module, "_PUBLISH_SECONDS", PATIENCE)
    began = time.monotonic()
    slow.next_rendezvous()
    assert time.monotonic() - began < 5.0


def _fail(*_: object) -> int:
    raise OSError("too many open files")


def _no_thread(*_: object) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("where", ["socket", "thread"])
def test_a_port_that_cannot_be_had_is_logged_and_the_round_stands(
    where: str, nodes: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not every job needs one; who waits for it gets a timeout."""
    handler = nodes.make("a", 1, 1)
    if where == "socket":
        monkeypatch.setattr(module, "free_port", _fail)
    else:
        refused = type("Refused", (threading.Thread,), {"start": _no_thread})
        monkeypatch.setattr(module, "threading", SimpleNamespace(Thread=refused))
    with caplog.at_level(logging.WARNING, "rdzv"):
        info = handler.next_rendezvous()
    monkeypatch.undo()
    assert "rank 0 could not publish its port for round 1: " in caplog.text
    with pytest.raises(RendezvousTimeoutError):
        info.store.get("rdzv/master_port", 0)


def test_a_port_that_was_given_is_published(nodes: Any) -> None:
    """A firewall lets one port through: rank 0 says that one, and the others hear it."""
    infos = nodes.meet(*(nodes.make(name, 2, 2, master_port=29501) for name in "ab"))
    assert [29501, 29501] == [info.master_port for info in infos]


def test_a_given_port_that_is_in_use_is_warned_of(nodes: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The job is told all the same: it may be about to take over what listens there."""
    with socket.create_server(("", 0)) as listener:
        port = listener.getsockname()[1]
        (info,) = nodes.meet(nodes.make("a", 1, 1, master_port=port))
        assert port == info.master_port
        assert (
            f"master_port={port} cannot be bound on this host, which is rank 0 (Address already in use)" in caplog.text
        )


def test_a_port_that_is_none_is_refused(nodes: Any) -> None:
    """Before anything is created."""
    with pytest.raises(ValueError, match="master_port=65536 is not a port"):
        nodes.make("a", 1, 1, master_port=65536)
