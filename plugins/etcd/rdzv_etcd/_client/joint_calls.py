"""Calls of many threads at once that one request makes for all of them: equal reads, and keep-alives."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, TypeVar

from rdzv_etcd._client.scope import CancelScope, Signal

T = TypeVar("T")

PATIENCE_SECONDS = 1.0
"""How long a request waits for the one before it, which may hang at a member that stands still."""


class Gathering(NamedTuple):
    """How long a request may wait for those who are likely to ask for the same, and how many they are in all."""

    number: int
    seconds: float


NOBODY = Gathering(1, 0.0)


class JointCalls:
    """Requests that are shared by those who ask for the same. Thread-safe.

    A hundred nodes of a process that a change has woken read the register once or twice, not a hundred times. Each
    gets the answer to a request that was sent after it had asked, so its read is as linearizable as one of its own:
    whoever comes while a request is under way takes part in the next. If that fails, each asks for itself.

    One after the other is told that the answer is there: of a hundred threads that wake together each waits for the
    interpreter, looks every 5 ms whether it is its turn, and so keeps the one that works from working.

    Safe to fork at any moment: the child shares with its own threads only.
    """

    def __init__(self) -> None:
        self._of_process: dict[int, _Requests] = {}

    def call(
        self,
        what: Hashable,
        scope: CancelScope,
        ask: Callable[[list[Any]], T],
        item: Hashable | None = None,
        gathering: Gathering = NOBODY,
    ) -> T:
        """Return what `ask` returns, here or on another thread that calls `what`; raises what it raises here.

        It is given the `item` of each who takes part. Another thread is waited for until the scope's deadline or its
        end; then `ask` has the last word.
        """
        pid = os.getpid()
        requests = self._of_process.get(pid) or self._of_process.setdefault(pid, _Requests())
        request, before = requests.join(what, item)
        if request is not before:
            return requests.send(what, request, before, scope, ask, gathering)
        requests.wait(request, scope, scope.deadline)
        return request.answer[0] if request.answer else ask([item])


class _Request:
    """One request, for all who have come before it was sent; `answer` is empty if it has failed."""

    def __init__(self) -> None:
        self.sent = self.over = False
        self.items: list[Any] = []
        self.answer: tuple[Any, ...] = ()
        self.waiting: deque[Signal] = deque()
        self.wanted = 0
        """How many its sender waits for."""
        self.complete = Signal()

    def tell_next(self) -> None:
        """Wake one of those who wait; it tells the next."""
        if self.waiting:
            self.waiting.popleft().set()


class _Requests:
    """The newest request for each thing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: dict[Hashable, _Request] = {}

    def join(self, what: Hashable, item: Hashable | None) -> tuple[_Request, _Request | None]:
        """Return the request to take part in, and the one before it: the same, unless the caller has to send it."""
        with self._lock:
            newest = request = self._newest.get(what)
            if request is None or request.sent:
                request = self._newest[what] = _Request()
            request.items.append(item)
            if len(request.items) == request.wanted:
                request.complete.set()
            return request, newest

    def send(
        self,
        what: Hashable,
        request: _Request,
        before: _Request | None,
        scope: CancelScope,
        ask: Callable[[list[Any]], T],
        gathering: Gathering,
    ) -> T:
        """Send the request, once the one before it is over and others were waited for; tell everybody the answer."""
        try:
            if before is not None:
                self.wait(before, scope, min(scope.deadline, time.monotonic() + PATIENCE_SECONDS))
            self._gather(request, scope, gathering)
            with self._lock:
                request.sent = True
            answer = ask(request.items)
            request.answer = (answer,)
            return answer
        finally:
            with self._lock:
                request.sent = request.over = True
                if self._newest.get(what) is request:
                    del self._newest[what]
                request.tell_next()

    def _gather(self, request: _Request, scope: CancelScope, gathering: Gathering) -> None:
        with self._lock:
            if len(request.items) >= gathering.number:
                return
            request.wanted = gathering.number
        scope.wait(request.complete, min(scope.deadline, time.monotonic() + gathering.seconds))

    def wait(self, request: _Request, scope: CancelScope, until: float) -> None:
        """Wait until a request is over, or the scope is cancelled, and no longer than `until`."""
        signal = Signal()
        with self._lock:
            if request.over:
                return
            request.waiting.append(signal)
        try:
            scope.wait(signal, until)
        finally:
            with self._lock:
                if signal in request.waiting:
                    request.waiting.remove(signal)
                if request.over:
                    request.tell_next()
