"""What a round of many nodes costs a tcp store."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from rdzv_tcp import TcpServer

from rdzv_core import RendezvousHandler, RendezvousParameters, create_handler
from rdzv_core._handler import operations
from rdzv_core._handler.store_adapter import StoreAdapter

NODES = 120
"""So many that their roster is too large for the head."""


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The operations that were begun, by kind; a roster's own value counts as a write."""
    counted: Counter[str] = Counter()
    perform, begin, lock = StoreAdapter.perform, StoreAdapter.begin, threading.Lock()

    def count(operation: operations.Operation) -> None:
        with lock:
            counted[type(operation).__name__] += 1
            counted["WriteHead"] += isinstance(operation, operations.WriteHead) and operation.roster is not None

    def counted_perform(self: StoreAdapter, operation: operations.Operation) -> Any:
        count(operation)
        return perform(self, operation)

    def counted_begin(self: StoreAdapter, operation: operations.Operation, done: Any) -> bool:
        if not begin(self, operation, done):
            return False
        count(operation)
        return True

    monkeypatch.setattr(StoreAdapter, "perform", counted_perform)
    monkeypatch.setattr(StoreAdapter, "begin", counted_begin)
    return counted


def test_a_round_of_many_costs_three_register_writes_and_two_membership_writes_a_node(
    server: TcpServer, calls: Counter[str]
) -> None:
    """The second round, with nobody new: the roster, its value, no more; each node asks and announces."""
    with ExitStack() as closing:
        handlers: list[RendezvousHandler] = []
        for number in range(NODES):
            params = RendezvousParameters(
                "tcp", str(server.endpoint), "run", NODES, NODES, local_addr=f"host{number}", is_host=False
            )
            handlers.append(create_handler(params))
            closing.callback(handlers[-1].close)
        for expected in (1, 2):
            calls.clear()
            with ThreadPoolExecutor(NODES) as pool:
                infos = list(pool.map(RendezvousHandler.next_rendezvous, handlers))
            assert {info.round for info in infos} == {expected}
            assert sorted(info.rank for info in infos) == list(range(NODES))
        assert calls["WriteHead"] <= 3
        assert calls["Enter"] + calls["Update"] + calls["Leave"] <= 2 * NODES
        assert calls["FetchRoster"] <= 3
        assert calls["FindRank"] <= NODES
        peers = infos[0].peers
        assert peers[infos[0].rank] in {f"host{number}" for number in range(NODES)}
        assert sorted(peers) == sorted(f"host{number}" for number in range(NODES))
        assert infos[-1].peers == peers
