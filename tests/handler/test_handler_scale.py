"""What a round costs the store, with as many nodes as a process can hold."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from rdzv_core import (
    BackendRegistry,
    RendezvousBackend,
    RendezvousHandler,
    RendezvousParameters,
    SetStateResult,
    StateSnapshot,
)
from rdzv_core._handler.settings import HANDLER_OPTIONS

LATENCY = 0.001
MOST_ATTEMPTS = 3
MOST_HEAD_WRITES = 3


class Shared:
    """What all instances of a run share: the registers, and who wrote to them how often."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.registers: dict[str, StateSnapshot] = {}
        self.accepted: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()


class TwoMethods(RendezvousBackend):
    """`get_state` and `set_state`, a millisecond away, and nothing else."""

    name = "two-methods"

    def __init__(self, params: RendezvousParameters, shared: Shared) -> None:
        self._key, self._shared = params.key, shared

    def get_state(self) -> StateSnapshot | None:
        time.sleep(LATENCY)  # the store is that far away
        return self._shared.registers.get(self._key)

    def set_state(self, state: bytes, token: Any = None) -> SetStateResult | None:
        time.sleep(LATENCY)
        shared = self._shared
        with shared.lock:
            there = shared.registers.get(self._key)
            if (there.token if there else None) != token:
                shared.refused[self._key] += 1
                return there and SetStateResult(*there, False)
            shared.accepted[self._key] += 1
            written = shared.registers[self._key] = StateSnapshot(state, shared.accepted.total())
            return SetStateResult(*written, True)


def parameters(nodes: int, **config: Any) -> RendezvousParameters:
    """Return those of one of so many nodes."""
    return RendezvousParameters("two-methods", "here", "run", nodes, nodes, **config)


@contextmanager
def handlers_of(
    factory: Callable[[RendezvousParameters], RendezvousBackend], all_params: list[RendezvousParameters]
) -> Iterator[list[RendezvousHandler]]:
    """Return a handler for each, and close them at the end."""
    registry = BackendRegistry(lambda: ())
    registry.register("two-methods", factory)
    with ExitStack() as closing:
        handlers = [RendezvousHandler(registry.create(params, HANDLER_OPTIONS), params) for params in all_params]
        for handler in handlers:
            closing.callback(handler.close)
        yield handlers


def meet(handlers: list[RendezvousHandler]) -> set[int]:
    """Have all meet at once, and return the ranks."""
    ranks: list[int] = []
    threads = [threading.Thread(target=lambda one=one: ranks.append(one.next_rendezvous().rank)) for one in handlers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return set(ranks)


@pytest.mark.parametrize("nodes", [64, pytest.param(200, marks=pytest.mark.cases)])
def test_many_nodes_meet_on_a_two_method_backend_without_a_storm(nodes: int) -> None:
    """Three attempts a node at what all of them write, and three writes of the head, however many come at once.

    The directory lists several at a time, and eight members share a page.

    The 200 threads of a process need the processor for 2 to 4 s: beside many other processes calls run out of time.
    """
    shared = Shared()
    all_params = [parameters(nodes, local_addr=f"host{number}") for number in range(nodes)]
    with handlers_of(lambda params: TwoMethods(params, shared), all_params) as handlers:
        assert set(range(nodes)) == meet(handlers)
    head, directory = all_params[0].key, all_params[0].for_purpose("members").key
    assert shared.accepted[head] <= MOST_HEAD_WRITES
    assert shared.accepted[directory] < nodes
    assert nodes * MOST_ATTEMPTS >= sum(shared.accepted[key] + shared.refused[key] for key in (head, directory))
    pages = [all_params[0].for_purpose(f"members.{page}").key for page in range(nodes)]
    assert [page in shared.accepted for page in pages] == [page < nodes / 8 for page in range(nodes)]


def test_a_node_has_a_handful_of_registers_open_on_a_two_method_backend() -> None:
    """Beside the run's own, 4 and one for eight nodes at most, as the contract says: each may be a connection."""
    shared, nodes = Shared(), 8
    there: Counter[str] = Counter()
    most: Counter[str] = Counter()

    class Counted(TwoMethods):
        """Counts those of its node that are open."""

        def __init__(self, params: RendezvousParameters, shared: Shared) -> None:
            super().__init__(params, shared)
            self.node = params.config["node_id"]
            with shared.lock:
                there[self.node] += 1
                most[self.node] = max(most[self.node], there[self.node])

        def close(self) -> None:
            with shared.lock:
                there[self.node] -= 1

    all_params = [parameters(nodes, node_id=f"node{number}") for number in range(nodes)]
    with handlers_of(lambda params: Counted(params, shared), all_params) as handlers:
        for _ in range(2):
            assert set(range(nodes)) == meet(handlers)
    assert len(most) == nodes
    assert max(most.values()) <= 1 + 4 + nodes // 8
    assert most.total() <= 5 * nodes + 1, "only the node that writes the master's address needs the round's store"
    assert not there.total()
