"""The driver: runs one state machine. It decides on one thread, and has others for calls that can not be posted."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from rdzv_core import clock
from rdzv_core._errors import RendezvousConnectionError, RendezvousError
from rdzv_core.handler.access import Access
from rdzv_core.handler.head import Bye
from rdzv_core.handler.info import Change
from rdzv_core.handler.io import Closed, Departed, Failed, Held, Joined, Operation, Outcome
from rdzv_core.handler.machine import Machine

log = logging.getLogger("rdzv")

_LONGEST_SLEEP = 60.0


class Driver:
    """Hands events to a machine one at a time and does what it asks for.

    `access` posts an operation, or does it on a thread of this driver's; either ends when the access is closed. A
    failure of any kind becomes an event: no single one ends a thread. Thread-safe.
    """

    def __init__(self, machine: Machine, access: Access, name: str) -> None:
        self._machine = machine
        self._access = access
        self._workers = _Workers(access.perform, self._post_result, name)
        self._inbox: queue.SimpleQueue[Callable[[float], None] | None] = queue.SimpleQueue()
        self._condition = threading.Condition()
        self._change: Change | None = None
        self._lease_ends: float | None = None
        self._lease_listener: Callable[[float], None] | None = None
        self._pid = os.getpid()
        self._closed = False
        self._joining: Future[Held] | None = None
        self._departing: Future[None] | None = None
        self._closing: Future[None] | None = None
        self._thread = threading.Thread(target=self._run, name=f"rdzv {name}", daemon=True)
        self._thread.start()

    def join(self) -> Held:
        """Ask for the next round and wait for it; raises what it failed with."""
        future: Future[Held] = Future()

        def ask(now: float) -> None:
            if self._joining is not None:
                future.set_exception(RendezvousError("another thread of this handler is in next_rendezvous already"))
                return
            self._joining = future
            self._machine.ask(now)

        self._post(ask, future)
        return future.result()

    def depart(self, kind: Bye) -> None:
        """Leave or finish, and wait until that is said or its time is over."""
        future: Future[None] = Future()

        def go(now: float) -> None:
            self._departing = future
            self._machine.depart(kind, now)

        self._post(go, future)
        future.result()

    def close_run(self) -> None:
        """Close the run and wait until that is written; raises `RendezvousTimeoutError`."""
        future: Future[None] = Future()

        def go(now: float) -> None:
            self._closing = future
            self._machine.close(now)

        self._post(go, future)
        future.result()

    def wait_for_change(self, timeout: float | None) -> Change | None:
        """Wait until the roster held no longer is the present; None after `timeout` seconds."""
        self._check()
        with self._condition:
            self._condition.wait_for(lambda: self._change is not None or self._closed, timeout)
            if self._change is None and self._closed:
                raise RendezvousConnectionError("this handler is closed")
            return self._change

    def lease_ends_at(self) -> float:
        """Give when this node has to stop if no keep-alive succeeds before; minus infinity without a membership."""
        with self._condition:
            return float("-inf") if self._lease_ends is None else self._lease_ends

    def on_lease(self, listener: Callable[[float], None]) -> None:
        """Have `listener` told, on the driver's thread, whenever `lease_ends_at` has moved on."""
        self._lease_listener = listener

    def close(self) -> None:
        """Stop; whoever waits gets a `RendezvousConnectionError`. The store is closed by the caller, just after."""
        with self._condition:
            if self._closed:
                return
            self._closed = True
            self._condition.notify_all()
        if self._pid == os.getpid():
            self._inbox.put(None)
            self._thread.join(timeout=5.0)
            self._workers.close()

    def join_threads(self, timeout: float) -> None:
        """Wait until the threads have ended, after the store was closed."""
        if self._pid == os.getpid():
            self._workers.join(timeout)

    def _check(self) -> None:
        if self._closed:
            raise RendezvousConnectionError("this handler is closed: create another one")
        if self._pid != os.getpid():
            raise RendezvousError("this handler was made before a fork: create one in each process")

    def _post(self, event: Callable[[float], None], future: Future[Any]) -> None:
        self._check()
        self._inbox.put(_Guarded(event, future))

    def _post_result(self, operation: Operation, result: Any, error: Exception | None) -> None:
        if error is not None:
            failure = error
            self._inbox.put(lambda now: self._machine.failed(operation, failure, now))
        else:
            self._inbox.put(lambda now: self._machine.done(operation, result, now))

    def _run(self) -> None:
        while True:
            pause = min(_LONGEST_SLEEP, max(0.0, self._machine.wake_at - clock.now()))
            try:
                event: Callable[[float], None] | None = self._inbox.get(timeout=pause)
            except queue.Empty:
                event = self._machine.tick
            if event is None:
                break
            try:
                event(clock.now())
            except Exception as error:
                log.exception("the state machine failed on an event; it goes on")
                self._settle_all(RendezvousError(f"internal error: {type(error).__name__}: {error}"))
            self._after()
        self._settle_all(RendezvousConnectionError("this handler was closed meanwhile"))

    def _after(self) -> None:
        outcomes = self._machine.take_outcomes()
        for operation in self._machine.take_operations():
            self._start(operation)
        self._note_lease()
        change = self._machine.change()
        if change != self._change:
            with self._condition:
                self._change = change
                self._condition.notify_all()
        for outcome in outcomes:
            self._deliver(outcome)

    def _start(self, operation: Operation) -> None:
        try:
            posted = self._access.begin(operation, partial(self._post_result, operation))
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is an event, not the thread's end
            self._post_result(operation, None, error)
        else:
            if not posted:
                self._workers.start(operation)

    def _note_lease(self) -> None:
        lease = self._machine.tenure.lease
        ends = None if lease is None else lease.fenced_at
        if ends == self._lease_ends:
            return
        with self._condition:
            self._lease_ends = ends
        if ends is not None and self._lease_listener is not None:
            try:
                self._lease_listener(ends)
            except Exception:
                log.exception("a listener failed on the lease's new end")

    def _deliver(self, outcome: Outcome) -> None:
        joining, departing, closing = self._joining, self._departing, self._closing
        match outcome:
            case Joined() if joining is not None:
                self._joining = None
                joining.set_result(outcome.held)
            case Failed() if joining is not None:
                self._joining = None
                joining.set_exception(outcome.error)
            case Departed() if departing is not None:
                self._departing = None
                departing.set_result(None)
            case Closed() if closing is not None:
                self._closing = None
                _settle(closing, outcome.error)

    def _settle_all(self, error: Exception) -> None:
        waiting = (self._joining, self._departing, self._closing)
        self._joining = self._departing = self._closing = None
        for future in waiting:
            if future is not None and not future.done():
                future.set_exception(error)
        while self._closed and not self._inbox.empty():
            event = self._inbox.get()
            if isinstance(event, _Guarded):
                event.future.set_exception(error)


class _Guarded:
    """An event that somebody waits for."""

    def __init__(self, event: Callable[[float], None], future: Future[Any]) -> None:
        self._event = event
        self.future = future

    def __call__(self, now: float) -> None:
        self._event(now)


def _settle(future: Future[None], error: Exception | None) -> None:
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


class _Workers:
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
        with self._lock:
            self._idle -= 1
            enough = self._idle >= 0
        if not enough:
            with self._lock:
                self._idle += 1
            thread = threading.Thread(target=self._work, args=(operation,), name=f"rdzv {self._name} io", daemon=True)
            self._threads.append(thread)
            thread.start()
            return
        self._tasks.put(operation)

    def close(self) -> None:
        for _ in self._threads:
            self._tasks.put(None)

    def join(self, timeout: float) -> None:
        until = clock.now() + timeout
        for thread in self._threads:
            thread.join(max(0.0, until - clock.now()))

    def _work(self, operation: Operation | None) -> None:
        while operation is not None:
            try:
                result = self._perform(operation)
            except Exception as error:  # noqa: BLE001 - whatever a backend raises is an event, not the thread's end
                self._report(operation, None, error)
            else:
                self._report(operation, result, None)
            with self._lock:
                self._idle += 1
            operation = self._tasks.get()
