"""Ends leases in time, on the server's loop, and makes up for time in which the server itself stood still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rdzv_core import clock
from rdzv_tcp._state.members import Memberships

BEAT = 0.25
"""Seconds after which the reaper looks at the clock at the latest, to notice that it could not."""

SLACK = 0.1
"""Seconds by which a lease may end late. Leases end, or turn out to be renewed, several in one turn: a turn for each
would be a third of an idle server's work."""

LATE = 0.1
"""Seconds that a turn may come late before anybody is suspected of having been kept from renewing."""


class Reaper:
    """Calls `expired` with the members whose leases have run out, once it was told to `begin`.

    A turn that comes late tells that the server stood still: stopped, swapped out, suspended, or busy. What clients
    sent meanwhile lies unread. So that turn ends nobody, gives those a fresh ttl who may have missed theirs by it, and
    leaves another turn's time for reading.
    """

    def __init__(self, members: Memberships, now: Callable[[], float] = clock.now) -> None:
        self.now = now
        self._members = members
        self._expired: Callable[[list[bytes]], None] | None = None
        self._due = 0.0
        self._was_late = False
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, expired: Callable[[list[bytes]], None]) -> None:
        """Begin to end leases: `expired` is called with the members whose time is over."""
        self._expired = expired
        self.arm()

    def arm(self) -> None:
        """See to it that there is a turn when the next lease ends; to be called when that may have come nearer."""
        end = self._members.next_end()
        if end is None or self._expired is None:
            return
        now = self.now()
        due = min(max(end, now + SLACK), now + BEAT)
        if self._timer is not None and self._due <= due:
            return
        self._plan(due, now)

    def stop(self) -> None:
        """End nobody any more."""
        self._expired = None
        self._cancel()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _plan(self, due: float, now: float) -> None:
        self._cancel()
        self._due = due
        self._timer = asyncio.get_running_loop().call_later(due - now, self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = self.now()
        late = now - self._due
        if late > LATE:
            self._members.forgive(late, now)
            # Every other turn ends whom it must: a server that is always a little late still gets rid of the dead.
            if not self._was_late:
                self._was_late = True
                self._plan(now + BEAT, now)
                return
        self._was_late = False
        due = self._members.take_due(now)
        if due and self._expired is not None:
            self._expired(due)
        self.arm()
