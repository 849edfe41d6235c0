"""Threads for calls that cannot be submitted."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from rdzv_core import clock
from rdzv_core._errors import RendezvousError
from rdzv_core._handler.operations import Operation


class Workers:
    """Daemon threads for blocking calls: an idle one is used again, a new one is started when there is none."""

    def __init__(
        self,
        perform: Callable[[Operation], Any],
        report: Callable[[Operation, Any, Exception | None], None],
        name: str,
    ) -> None:
        self._perform, self._report, self._name = perform, report, name
        self._tasks: queue.SimpleQueue[Operation | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._threads: list[threading.Thread] = []

    def start(self, operation: Operation) -> None:
        """Have an operation performed and reported."""
        with self._lock:
            waiting = self._idle > 0
            self._idle -= waiting
        if waiting:
            self._tasks.put(operation)
            return
        thread = threading.Thread(target=self._work, args=(operation,), name=f"rdzv {self._name} io", daemon=True)
        thread.start()  # where the system has no thread left, this raises
        self._threads.append(thread)

    def close(self) -> None:
        """Have the threads end, each after what it does now."""
        for _ in self._threads:
            self._tasks.put(None)

    def join(self, timeout: float) -> None:
        """Wait until they have ended, `timeout` seconds at most."""
        until = clock.now() + timeout
        for thread in self._threads:
            thread.join(max(0.0, until - clock.now()))

    def _work(self, operation: Operation | None) -> None:
        while operation is not None:
            result, failure = None, None
            try:
                result = self._perform(operation)
            except BaseException as error:  # noqa: BLE001 - whatever a backend raises is an event, not the thread's end
                failure = _failure(operation, error)
            # Idle from here on: what the report leads to, on this very thread, is begun when it is back.
            with self._lock:
                self._idle += 1
            self._report(operation, result, failure)
            operation = self._tasks.get()


def _failure(operation: Operation, error: BaseException) -> Exception:
    """Return what can be raised to a caller without ending or cancelling it: the original was not meant for it."""
    if isinstance(error, Exception):
        return error
    name = type(operation).__name__
    failure = RendezvousError(f"{name} failed: the backend raised {error!r} on a thread of rdzv-core")
    failure.__cause__ = error
    return failure
