"""Some nodes of a run in one process; lines on stdin tell them what to do, and they answer with lines of JSON.

Run as a process: `python -m benchmarks._nodes JSON`, with backend, endpoint, run_id, min_nodes, max_nodes, first (the
number of the first node here), count, options, and counting (whether to count calls on the store).
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from benchmarks._two_methods import CALLS, register_two_methods
from rdzv_core import RendezvousHandler, RendezvousParameters, create_handler
from rdzv_core._handler import operations
from rdzv_core._handler.store_adapter import StoreAdapter


class Node:
    """One handler and the thread that uses it, started before anything is measured."""

    def __init__(self, handler: RendezvousHandler) -> None:
        self.handler = handler
        self.places: list[tuple[int, int, int]] = []
        self.reason = ""
        self._tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._ended: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def meet(self) -> None:
        """Start to ask for a round."""
        self._tasks.put(self._meet)

    def await_change(self) -> None:
        """Start to wait for a change."""
        self._tasks.put(self._await_change)

    def join(self) -> None:
        """Wait until that has ended; raise the error if it failed."""
        if (error := self._ended.get()) is not None:
            raise error

    def _work(self) -> None:
        while True:
            task = self._tasks.get()
            try:
                task()
            except Exception as error:  # noqa: BLE001 - `join` raises it
                self._ended.put(error)
            else:
                self._ended.put(None)

    def _meet(self) -> None:
        info = self.handler.next_rendezvous()
        self.places.append((info.round, info.rank, info.world_size))

    def _await_change(self) -> None:
        change = self.handler.wait_for_change()
        self.reason = change.reason.name if change is not None else "none"


def count_calls() -> Counter[str]:
    """Count every call on a store, by kind; a separate value for the roster counts as a register write."""
    calls: Counter[str] = Counter()
    lock = threading.Lock()
    perform, begin = StoreAdapter.perform, StoreAdapter.begin

    def count(operation: operations.Operation, written: bool = True) -> None:
        with lock:
            if not isinstance(operation, operations.WriteHead):
                calls[type(operation).__name__] += 1
            else:
                calls["register written" if written else "register write refused"] += 1
                calls["register written"] += operation.roster is not None

    def counted_perform(self: StoreAdapter, operation: operations.Operation) -> Any:
        result = perform(self, operation)
        count(
            operation, result is not None and bool(result[2]) if isinstance(operation, operations.WriteHead) else True
        )
        return result

    def counted_begin(self: StoreAdapter, operation: operations.Operation, done: Any) -> bool:
        begun = begin(self, operation, done)
        if begun:
            count(operation)
        return begun

    StoreAdapter.perform, StoreAdapter.begin = counted_perform, counted_begin  # type: ignore[method-assign]
    return calls


def main() -> None:
    """Create the nodes, print ready, and do what each line of stdin says: meet, change or calls."""
    given = json.loads(sys.argv[1])
    register_two_methods(given["backend"])
    calls = count_calls() if given["counting"] else Counter[str]()
    nodes = []
    for number in range(given["first"], given["first"] + given["count"]):
        params = RendezvousParameters(
            given["backend"],
            given["endpoint"],
            given["run_id"],
            given["min_nodes"],
            given["max_nodes"],
            local_addr=f"host{number}",
            node_id=f"node{number}",
            **given["options"],
        )
        nodes.append(Node(create_handler(params)))
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        answer: Any = None
        if line.strip() == "calls":
            answer = dict(calls + CALLS)
            calls.clear()
            CALLS.clear()
        else:
            for node in nodes:
                node.meet() if line.strip() == "meet" else node.await_change()
            for node in nodes:
                node.join()
            ended = time.monotonic()
            places = [node.places[-1] for node in nodes if node.places]
            answer = {"ended": ended, "places": places, "reasons": sorted({node.reason for node in nodes})}
        print(json.dumps(answer), flush=True)
    os._exit(0)  # leaving is not measured


if __name__ == "__main__":
    main()
