"""Every new roster: I2, I4, I7, I8 and I17."""

from __future__ import annotations

from collections.abc import Callable

from rdzv_core._handler.head import Head
from rdzv_simulation._checks.departures import FASTEST, DepartureChecks
from rdzv_simulation._checks.endings import Endings
from rdzv_simulation._checks.voids import Voids
from rdzv_simulation._checks.work import WorkChecks
from rdzv_simulation._cluster.timeline import Timeline
from rdzv_simulation._invariants import Violation


class RosterChecks:
    """Checks the roster of a round when it is written. `has_worked` says of a node id whether it has, in any epoch."""

    def __init__(
        self,
        timeline: Timeline,
        work: WorkChecks,
        departures: DepartureChecks,
        endings: Endings,
        voids: Voids,
        has_worked: Callable[[str], bool],
        last_call: float,
        fence_delay: float,
    ) -> None:
        self._timeline, self._work, self._departures = timeline, work, departures
        self._endings, self._voids, self._has_worked = endings, voids, has_worked
        self._last_call, self._fence_delay = last_call, fence_delay
        self._called: tuple[str, int, float] = ("", 0, 0.0)

    def note_last_call(self, new: Head) -> None:
        """Take note of when the last call of a round began."""
        if new.last_call_round == new.round + 1 and self._called[:2] != (new.epoch, new.last_call_round):
            self._called = (new.epoch, new.last_call_round, self._timeline.time)

    def written(self, old: Head, new: Head) -> None:
        """Check the roster of a new round."""
        self._timeline.note(f"the roster of round {new.round}: {', '.join(seat.node for seat in new.roster)}")
        terms = new.terms
        if terms is None or not terms.min_nodes <= new.size <= terms.max_nodes:
            raise Violation("I7", f"a roster of {new.size} with {terms}")
        members, names = {seat.member for seat in new.roster}, {seat.node for seat in new.roster}
        if not len(members) == len(names) == new.size == len(new.roster):
            raise Violation("I2", f"round {new.round} has a member or a node twice: {new.roster}")
        if new.size < terms.max_nodes:
            self._last_called(old, new, terms.max_nodes)
        if self._endings.has_finished(old):
            raise Violation("I17", f"round {new.round} forms, and all members of round {old.round} have finished")
        self._nobody_works(old, new, members)

    def _last_called(self, old: Head, new: Head, most: int) -> None:
        if old.last_call_round != new.round or self._called[:2] != (new.epoch, new.round):
            raise Violation("I7", f"round {new.round} has {new.size} of {most} and had no last call")
        lasted = self._timeline.time - self._called[2]
        if lasted * FASTEST < self._last_call:
            raise Violation("I7", f"the last call of round {new.round} lasted {lasted:.3f} s")

    def _nobody_works(self, old: Head, new: Head, members: set[str]) -> None:
        blind = new.round == 1 and self._work.rosters and not old.previous_epoch
        if blind and not any(self._has_worked(seat.node) for seat in new.roster):
            # A register was lost, and of those who worked by it nobody is here to say so: docs/fault-model.md.
            self._voids.begin()
        if self._voids.now:
            return
        for seat in old.roster:
            since = self._departures.seconds_since_expiry(seat.member)
            if seat.member not in members and since * FASTEST < self._fence_delay:
                raise Violation("I8", f"{seat.node} expired {since:.3f} s before round {new.round}")
        if working := self._work.working:
            who = ", ".join(f"{name} in {held.epoch[:4]}/{held.round}" for name, held in working.items())
            raise Violation("I4", f"round {new.round} of {new.epoch[:4]} is written while {who} work")
