"""Posted calls whose connection was lost, and the thread that connects again for them."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

from rdzv_tcp._call import Aborted, Call, Lost, Refusal, Silent
from rdzv_tcp._posted import PostedCall

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
            errand = self._errand = Call()
        threading.Thread(target=self._run, args=(errand,), name="rdzv tcp connects again", daemon=True).start()

    def stop(self) -> None:
        """Give up connecting: the client is closed, and all who waited have been told."""
        with self._lock:
            self._wanted_until = 0.0
            if self._errand is not None:
                self._errand.abort()

    def _run(self, errand: Call) -> None:
        client, pause = self._client, _FIRST_PAUSE
        while (calls := self._next()) is not None:
            now = time.monotonic()
            deadline = min([now + _ATTEMPT_SECONDS, *(call.deadline for call in calls)])
            if client.gone_at > now:
                deadline = min(deadline, client.gone_at)
            try:
                client.connected(errand, deadline)
            except (Aborted, Refusal) as error:
                self._wanted_until = 0.0
                for call in calls:
                    client.lost(call, error)
            except (Lost, Silent) as error:
                self._keep(calls, error)
            else:
                self._wanted_until = 0.0
                for call in calls:
                    client.post(call)
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

    def _keep(self, calls: list[PostedCall], error: Exception) -> None:
        """Give up those whose time is over, keep the others."""
        now, client = time.monotonic(), self._client
        absent = now >= client.gone_at
        kept = [call for call in calls if call.deadline > now and not (absent and call.ask.as_member)]
        with self._lock:
            self._stranded += kept
        for call in calls:
            if call.deadline <= now:
                client.give_up(call, error, call.ask.seconds)
            elif absent and call.ask.as_member:
                client.give_up(call, error, client.absence)
