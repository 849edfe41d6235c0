"""Posted calls whose connection was lost, and the thread that connects again for them."""

from __future__ import annotations

import math
import random
import threading
import time
from typing import TYPE_CHECKING

from rdzv_tcp._call import Aborted, Call, Lost, Refusal, Silent
from rdzv_tcp._posted import PostedCall
from rdzv_tcp._threads import start_thread

if TYPE_CHECKING:
    from rdzv_tcp._client import Client

_ATTEMPT_SECONDS = 0.5
_CALL_BACK_SECONDS = 30.0
_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.5


class Rescue:
    """Holds calls until their client has a connection, then has them posted anew, each within its own deadline.

    Renewals, and those that wait for a change, end as soon as memberships of this process may have ended for want of a
    connection: whoever made them has to ask whether it is still a member. Thread-safe.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
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
            errand = Call()
            try:
                start_thread("rdzv tcp connects again", self._run, errand)
            except Refusal as error:
                refused, calls, self._stranded = error, self._stranded, []
            else:
                self._errand = errand
                return
        for call in calls:
            self._client.lost(call, refused)

    def stop(self) -> None:
        """Give up connecting: the client is closed, and all who waited have been told."""
        with self._lock:
            self._wanted_until = 0.0
            if self._errand is not None:
                self._errand.abort()

    def _run(self, errand: Call) -> None:
        with self._lock:
            if self._errand not in (None, errand):  # who started this was interrupted before it could note it
                return
            self._errand = errand
        pause, now = _FIRST_PAUSE, time.monotonic()
        while (calls := self._next()) is not None:
            attempt = min(_ATTEMPT_SECONDS, self._client.grace)
            failure = self._post_again(calls, errand, min(now + attempt, self._due(calls, now)))
            if failure is not None:
                with self._lock:
                    self._stranded += calls
                    calls = self._stranded.copy()
            if not errand.aborted:
                # A server that accepts and hangs up is not to be flooded; and whose time is over is told so in time.
                left = self._due(calls, now) - time.monotonic()
                time.sleep(max(0.0, min(pause * random.uniform(0.5, 1.0), left)))
                pause = min(2 * pause, _LONGEST_PAUSE)
            now = time.monotonic()
            if failure is not None:
                self._end_late(failure, now)

    def _next(self) -> list[PostedCall] | None:
        with self._lock:
            calls, self._stranded = [call for call in self._stranded if not call.ended], []
            if calls or time.monotonic() < self._wanted_until:
                return calls
            self._errand = None
            return None

    def _due(self, calls: list[PostedCall], now: float) -> float:
        """Give when somebody is to be told next that there was no connection in time."""
        gone_at = self._client.gone_at
        return min([gone_at if gone_at > now else math.inf, *(call.deadline for call in calls)])

    def _post_again(self, calls: list[PostedCall], errand: Call, deadline: float) -> Exception | None:
        """Connect and post `calls`; gives why that was not possible until now, None if they need no other attempt."""
        client = self._client
        try:
            client.connected(errand, deadline)
        except (Lost, Silent) as error:
            return error
        except (Aborted, Refusal) as error:
            self._wanted_until = 0.0
            for call in calls:
                client.lost(call, error)
        else:
            self._wanted_until = 0.0
            for call in calls:
                client.post(call)
        return None

    def _end_late(self, failure: Exception, now: float) -> None:
        """Give up those whose time is over, and of members all if their memberships may be."""
        client = self._client
        absent = now >= client.gone_at
        late: list[PostedCall] = []
        kept: list[PostedCall] = []
        with self._lock:
            for call in self._stranded:
                (late if call.deadline <= now or (absent and call.ask.as_member) else kept).append(call)
            self._stranded = kept
        for call in late:
            client.give_up(call, failure, call.ask.seconds if call.deadline <= now else client.absence)
