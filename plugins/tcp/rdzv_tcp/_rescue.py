"""Posted calls whose connection was lost, and the thread that connects again for them."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from rdzv_tcp._connection import Aborted, Call, Connection, Lost, Refusal, Silent
from rdzv_tcp._posted import PostedCall

_ATTEMPT_SECONDS = 1.0
_CALL_BACK_SECONDS = 30.0
_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.5


class Rescue:
    """Holds calls until there is a connection, then has them posted anew, each within its own deadline. Thread-safe.

    `connect(errand, deadline)` gives a connection; `post` and `fail` say what becomes of a call.
    """

    def __init__(
        self,
        connect: Callable[[Call, float], Connection],
        post: Callable[[PostedCall], None],
        fail: Callable[[PostedCall, Exception], None],
    ) -> None:
        self._connect, self._post, self._fail = connect, post, fail
        self._lock = threading.Lock()
        self._stranded: list[PostedCall] = []
        self._errand: Call | None = None
        self._wanted_until = 0.0

    def take(self, call: PostedCall) -> None:
        """See to it that `call` goes on."""
        with self._lock:
            self._stranded.append(call)
        self._begin()

    def call_back(self) -> None:
        """See to it that there is a connection, also if no call needs one."""
        with self._lock:
            self._wanted_until = time.monotonic() + _CALL_BACK_SECONDS
        self._begin()

    def _begin(self) -> None:
        with self._lock:
            if self._errand is not None:
                return
            errand = self._errand = Call()
        threading.Thread(target=self._run, args=(errand,), name="rdzv tcp connects again", daemon=True).start()

    def stop(self) -> None:
        """Give up connecting: the client is closed, and all who waited have been told."""
        with self._lock:
            self._wanted_until = 0.0
            if self._errand is not None:
                self._errand.abort()

    def _run(self, errand: Call) -> None:
        pause = _FIRST_PAUSE
        while (calls := self._next()) is not None:
            deadline = min([time.monotonic() + _ATTEMPT_SECONDS, *(call.deadline for call in calls)])
            try:
                self._connect(errand, deadline)
            except (Aborted, Refusal) as error:
                self._settle(calls, error, at=float("inf"))
            except (Lost, Silent) as error:
                self._settle(calls, error, at=time.monotonic())
            else:
                self._wanted_until = 0.0
                for call in calls:
                    self._post(call)
            if not errand.aborted:
                time.sleep(pause * random.uniform(0.5, 1.0))  # a server that accepts and hangs up is not to be flooded
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _next(self) -> list[PostedCall] | None:
        with self._lock:
            calls, self._stranded = [call for call in self._stranded if not call.ended], []
            if calls or time.monotonic() < self._wanted_until:
                return calls
            self._errand = None
            return None

    def _settle(self, calls: list[PostedCall], error: Exception, at: float) -> None:
        """Fail those whose time is over, keep the others."""
        if not isinstance(error, Lost | Silent):
            self._wanted_until = 0.0
        over = [call for call in calls if call.deadline <= at]
        with self._lock:
            self._stranded += [call for call in calls if call.deadline > at]
        for call in over:
            self._fail(call, error)
