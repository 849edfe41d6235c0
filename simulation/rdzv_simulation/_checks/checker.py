"""Watches a cluster, and lets each invariant's check see what concerns it."""

from __future__ import annotations

from collections.abc import Mapping

from rdzv_core._handler.info import Change
from rdzv_core._handler.lease import Lease
from rdzv_core._handler.operations import Assignment
from rdzv_core._handler.roster import PackedRoster
from rdzv_simulation._checks.departures import DepartureChecks
from rdzv_simulation._checks.endings import Endings
from rdzv_simulation._checks.heads import HeadChecks, check_first, check_step, check_told, is_full
from rdzv_simulation._checks.joins import JoinChecks
from rdzv_simulation._checks.rosters import RosterChecks
from rdzv_simulation._checks.voids import Voids
from rdzv_simulation._checks.work import WorkChecks, require_lease
from rdzv_simulation._cluster.cluster import Cluster
from rdzv_simulation._cluster.network import TIMEOUT
from rdzv_simulation._cluster.observer import Observer


class Checker(Observer):
    """Raises `Violation` as soon as something happens that breaks an invariant."""

    def __init__(self, cluster: Cluster) -> None:
        timeline, store, settings = cluster.timeline, cluster.store, cluster.settings
        self._timeline = timeline
        self._voids = Voids(timeline, settings.ttl + settings.stop_time + TIMEOUT)
        self.work = WorkChecks(self._voids)
        self.endings = Endings(cluster.processes, store)
        self.joins = JoinChecks(cluster, self.endings)
        self._heads = HeadChecks()
        self._departures = DepartureChecks(timeline, store, self.work, settings.evict_after)
        self._rosters = RosterChecks(
            timeline,
            self.work,
            self._departures,
            self.endings,
            self._voids,
            cluster.processes.has_worked,
            cluster.handler.last_call_timeout,
            settings.fence_delay,
        )

    @property
    def rounds(self) -> int:
        """How many rounds have formed."""
        return self.work.rounds

    # What the store does

    def written(self, before: bytes | None, after: bytes, rosters: Mapping[str, PackedRoster], reset: bool) -> None:
        """Check a write of the register."""
        old, new = self._heads.decode(before, after, rosters)
        self.joins.full_since = min(self.joins.full_since, self._timeline.time) if is_full(new) else float("inf")
        if old is None or reset:
            check_first(new)
            return
        self._rosters.note_last_call(new)
        check_step(old, new, len(after))
        self._departures.written(old, new)
        if new.closed and self.endings.has_finished(new):
            self._timeline.note("the run has finished")
            self.endings.run_finished()
        if new.round != old.round:
            self._rosters.written(old, new)

    def register_lost(self) -> None:
        """Take note that nothing is known of the run any more, not even that it has finished."""
        self._heads.forget()
        self.joins.full_since = float("inf")
        self.endings.forget()

    def member_ended(self, member: str, payload: bytes) -> None:
        """Take note that a membership ended."""
        self._departures.ended(member, payload)

    def store_loses(self, register: bool, members: bool) -> None:
        """Take note of a loss that may void the promise."""
        self._voids.lost(register, members)

    # What the nodes do

    def joined(self, held: Assignment, payload: bytes | None) -> None:
        """Check a roster that a node was given."""
        self.work.joined(held, payload)

    def begins_work(self, name: str, held: Assignment) -> None:
        """Check that no other group is at work."""
        self.work.begins(name, held)

    def stops_work(self, name: str) -> None:
        """Take note that a node is not at work."""
        self.work.stops(name)

    def works_on(self, name: str, lease: Lease | None, now: float) -> None:
        """Check that a node which works can prove its lease."""
        require_lease(name, "works", lease, now)

    def told_to_stop(self, name: str, held: Assignment, change: Change) -> None:
        """Check that a round which a node is told is lost is lost."""
        check_told(name, held, change, self._heads.epoch)

    def leads(self, name: str, lease: Lease | None, now: float) -> None:
        """Check that a node which leads can prove its lease."""
        require_lease(name, "leads", lease, now)

    def join_failed(self, name: str, member: str, error: Exception) -> None:
        """Check an error with which a join has ended."""
        self.joins.failed(name, member, error)

    def goodbye_kept(self, member: str) -> None:
        """Take note that a member may not be counted as lost."""
        self._departures.goodbye_kept(member)

    # What an operator does

    def reset(self) -> None:
        """Take note that the run begins again."""
        self.endings.forget()
        self._voids.lost(register=True, members=False)

    def closed_by_hand(self) -> None:
        """Take note that a node closes the run."""
        self.endings.closed_by_hand()
