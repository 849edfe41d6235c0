"""The driver: runs one state machine, an event at a time, on the thread that brings the event or on one of its own."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from rdzv_core import clock
from rdzv_core._errors import RendezvousConnectionError, RendezvousError
from rdzv_core._handler.head import DepartureKind
from rdzv_core._handler.info import Change
from rdzv_core._handler.lease import Lease
from rdzv_core._handler.machine import Machine
from rdzv_core._handler.operations import (
    Assignment,
    Channel,
    Closed,
    DepartureDone,
    Failed,
    Notice,
    Operation,
    Outcome,
    RoundJoined,
)
from rdzv_core._handler.process_bound import closed_error
from rdzv_core._handler.store_adapter import StoreAdapter
from rdzv_core._handler.workers import Workers

log = logging.getLogger("rdzv")

_LONGEST_SLEEP, _LONGEST_SLEEP_WITH_A_LEASE = 60.0, 1.0
"""In seconds. A lease ages while a machine is suspended, and a sleep does not: with a lease, look at the clock."""


class Driver:
    """Hands events to a machine one at a time and does what it asks for.

    `adapter` submits an operation, or does it on a thread of this driver's; either ends when it is closed. A
    failure of any kind becomes an event: no single one ends a thread. Thread-safe.

    The driver's own thread handles the time, what the caller asks, and whatever may take long. Most answers take some
    microseconds to take in, and waking a thread costs several times as much: they are taken in where they arrive.
    """

    def __init__(self, machine: Machine, adapter: StoreAdapter, name: str) -> None:
        self.machine = machine
        self._adapter = adapter
        self._workers = Workers(adapter.perform, self.ended, name)
        self._inbox: queue.SimpleQueue[Callable[[float], None] | None] = queue.SimpleQueue()
        self._turn = threading.Lock()
        self._sleeps_until = float("inf")
        self._waiting: deque[Callable[[float], None]] = deque()
        self._condition = threading.Condition()
        self._change: Change | None = None
        self._lease_ends: float | None = None
        self._lease_listener: Callable[[float], None] | None = None
        self._pid = os.getpid()
        self._closed = False
        self._joining: Future[Assignment] | None = None
        self._departing: list[Future[None]] = []
        self._closing: list[Future[None]] = []
        self._thread = threading.Thread(target=self._run, name=f"rdzv {name}", daemon=True)
        self._thread.start()

    def join(self, deadline: float | None = None) -> Assignment:
        """Ask for the next round and wait for it, until `deadline` if there is one; raises what it failed with."""
        future: Future[Assignment] = Future()

        def ask(now: float) -> None:
            if self._joining is not None:
                future.set_exception(RendezvousError("another thread of this handler is in next_rendezvous already"))
                return
            self._joining = future
            self.machine.ask(now, deadline)

        def abandon(now: float) -> None:
            if self._joining is future:
                self._joining = None
                self.machine.abandon(now)
            elif future.done() and future.exception() is None:
                self.give_back(future.result())

        self._post(ask, future)
        try:
            return future.result()
        except BaseException as error:
            if not future.done() or future.exception() is not error:
                self._inbox.put(abandon)  # a KeyboardInterrupt, for example: nobody would work in the round
            raise

    def give_back(self, held: Assignment) -> None:
        """Leave the round that `join` returned, in which nobody works; returns at once."""
        self._inbox.put(lambda now: self.machine.abandon(now) if self.machine.held is held else None)

    def abandon(self) -> None:
        """End a `join` of another thread and leave; returns at once."""
        self._inbox.put(self.machine.abandon)

    def depart(self, kind: DepartureKind) -> None:
        """Leave or finish, and wait until that is kept or its time is over; beside another call, until that one is."""
        future: Future[None] = Future()

        def go(now: float) -> None:
            self._departing.append(future)
            self.machine.depart(kind, now)

        self._post(go, future)
        future.result()

    def close_run(self) -> None:
        """Close the run and wait until that is written; raises `RendezvousTimeoutError`."""
        future: Future[None] = Future()

        def go(now: float) -> None:
            self._closing.append(future)
            self.machine.close(now)

        self._post(go, future)
        future.result()

    def wait_for_change(self, timeout: float | None) -> Change | None:
        """Wait until the roster held is out of date, and return why; None after `timeout` seconds."""
        self._check()
        with self._condition:
            self._condition.wait_for(lambda: self._change is not None or self._closed, timeout)
            if self._change is None and self._lease_is_over():
                # This process stood still, or its machine was suspended: what follows from that has still to be seen.
                self._inbox.put(_look_at_the_clock)
                self._condition.wait_for(lambda: not self._lease_is_over() or self._closed, _LONGEST_SLEEP_WITH_A_LEASE)
            if self._change is None and self._closed:
                raise closed_error()
            return self._change

    def _lease_is_over(self) -> bool:
        return self._lease_ends is not None and clock.now() >= self._lease_ends

    def lease_ends_at(self) -> float:
        """Return when this node has to stop if no keep-alive succeeds before; minus infinity without a membership."""
        ends = self._lease_ends
        return float("-inf") if ends is None else ends

    def on_lease(self, listener: Callable[[float], None]) -> None:
        """Call `listener` whenever `lease_ends_at` has moved on, on the thread that found out."""
        self._lease_listener = listener

    def close(self) -> None:
        """Stop; every waiting call raises `RendezvousConnectionError`. The caller closes the store just after."""
        if self._pid != os.getpid():  # in a forked child any lock may be held by a thread that is gone
            self._closed = True
            return
        with self._condition:
            if self._closed:
                return
            self._closed = True
            self._condition.notify_all()
        self._inbox.put(None)
        self._thread.join(timeout=5.0)
        self._workers.close()

    def put(self, event: Callable[[float], None]) -> None:
        """Have an event taken in on this driver's own thread; nobody waits for it."""
        self._inbox.put(event)

    @property
    def locks(self) -> tuple[threading.Condition, threading.Lock]:
        """The locks that a thread of this process may hold when it forks."""
        return self._condition, self._turn

    def join_threads(self, timeout: float) -> None:
        """Wait until the threads have ended, after the store was closed."""
        if self._pid == os.getpid():
            self._workers.join(timeout)

    def _check(self) -> None:
        if self._closed:
            raise closed_error()
        if self._pid != os.getpid():
            raise RendezvousError("this handler was made before a fork: create one in each process")

    def _post(self, event: Callable[[float], None], future: Future[Any]) -> None:
        self._check()  # before the lock: in a forked child a thread that is gone may hold it
        with self._condition:  # `close` says that it closes under it: what is put before, it finds
            self._check()
            self._inbox.put(_Guarded(event, future))

    def ended(self, operation: Operation, result: Any, error: Exception | None) -> None:
        """Take in how an operation has ended, on the thread that brings it. Neither blocks nor raises."""
        event = partial(self._result, operation, result, error)
        if not self._take_in_here(operation, event):
            self._waiting.append(event)
            self._inbox.put(self._take_in_next)

    def _take_in_next(self, now: float) -> None:
        self._waiting.popleft()(now)

    def _result(self, operation: Operation, result: Any, error: Exception | None, now: float) -> None:
        if error is not None:
            self.machine.failed(operation, error, now)
        else:
            self.machine.done(operation, result, now)

    def _take_in_here(self, operation: Operation, event: Callable[[float], None]) -> bool:
        """Handle an event on this thread, if it will not take long, and none is handled or waits to be."""
        # On the main thread a signal's handler may raise, in the middle of it.
        if threading.current_thread() is threading.main_thread() or not self._turn.acquire(blocking=False):
            return False
        try:
            if self._closed or self._waiting or not self._is_quick(operation):
                return False
            self._handle(event)
            if self.machine.wake_at < self._sleeps_until:
                self._sleeps_until = self.machine.wake_at
                self._inbox.put(_look_at_the_clock)
        finally:
            self._turn.release()
        return True

    def _is_quick(self, operation: Operation) -> bool:
        """Whether its end is taken in at once, and without running code that is not ours."""
        heard = self._lease_listener is not None and operation.channel is Channel.LEASE
        return not heard and self.machine.takes_in_quickly(operation)

    def _run(self) -> None:
        while True:
            with self._turn:
                self._sleeps_until = self.machine.wake_at
            longest = _LONGEST_SLEEP if self._lease_ends is None else _LONGEST_SLEEP_WITH_A_LEASE
            pause = min(longest, max(0.0, self._sleeps_until - clock.now()))
            try:
                event: Callable[[float], None] | None = self._inbox.get(timeout=pause)
            except queue.Empty:
                if clock.now() < self._sleeps_until:
                    continue  # woken only to look at the clock
                event = self.machine.tick
            if event is None:
                break
            with self._turn:
                self._handle(event)
        closed = RendezvousConnectionError("this handler was closed meanwhile")
        with self._turn:
            self._settle_all(closed)
        while not self._inbox.empty():
            event = self._inbox.get()
            if isinstance(event, _Guarded):
                event.future.set_exception(closed)

    def _handle(self, event: Callable[[float], None]) -> None:
        """Have the machine take in an event, and do what follows; raises nothing. It has to be this thread's turn."""
        for step in (partial(event, clock.now()), self._after):
            try:
                step()
            except Exception as error:
                log.exception("the state machine failed on an event; it goes on")
                if self._joining is not None:
                    self._inbox.put(self.machine.abandon)
                self._settle_all(RendezvousError(f"internal error: {type(error).__name__}: {error}"))

    def _after(self) -> None:
        outcomes = self.machine.take_outcomes()
        for operation in self.machine.take_operations():
            self._start(operation)
        self._show(self.machine.change(), self.machine.lease_keeper.lease)
        for outcome in outcomes:
            self._deliver(outcome)

    def _start(self, operation: Operation) -> None:
        try:
            if not self._adapter.begin(operation, partial(self.ended, operation)):
                self._workers.start(operation)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is an event, not the thread's end
            self.ended(operation, None, error)

    def _show(self, change: Change | None, lease: Lease | None) -> None:
        """Show both at once to whoever waits: a lease that has ended has brought its change."""
        ends, before = None if lease is None else lease.fenced_at, self._lease_ends
        if (change, ends) != (self._change, before):
            with self._condition:
                self._change, self._lease_ends = change, ends
                self._condition.notify_all()
        if ends is not None and ends != before and self._lease_listener is not None:
            try:
                self._lease_listener(ends)
            except Exception:
                log.exception("a listener failed on the lease's new end")

    def _deliver(self, outcome: Outcome) -> None:
        joining = self._joining
        match outcome:
            case RoundJoined() if joining is not None:
                self._joining = None
                joining.set_result(outcome.held)
            case Failed() if joining is not None:
                self._joining = None
                joining.set_exception(outcome.error)
            case DepartureDone():
                departing, self._departing = self._departing, []
                _settle(departing, None)
            case Notice():
                log.log(logging.WARNING if outcome.grave else logging.INFO, "%s", outcome.text)
            case Closed():
                closing, self._closing = self._closing, []
                _settle(closing, outcome.error)

    def _settle_all(self, error: Exception) -> None:
        waiting = [*self._departing, *self._closing]
        if self._joining is not None:
            self._joining.set_exception(error)
        self._joining, self._departing, self._closing = None, [], []
        _settle(waiting, error)


def _look_at_the_clock(now: float) -> None:
    """Nothing has happened, but the machine's next tick is due sooner than it was."""


class _Guarded:
    """An event whose caller waits for `future`."""

    def __init__(self, event: Callable[[float], None], future: Future[Any]) -> None:
        self._event = event
        self.future = future

    def __call__(self, now: float) -> None:
        self._event(now)


def _settle(futures: list[Future[None]], error: Exception | None) -> None:
    for future in futures:
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
