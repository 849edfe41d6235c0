"""What a cluster reports about itself, to whoever checks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rdzv_core._handler.info import Change
from rdzv_core._handler.lease import Lease
from rdzv_core._handler.operations import Assignment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rdzv_core._handler.roster import PackedRoster


class Observer:
    """Is told everything of importance, at the moment at which it happens. This one ignores it."""

    # What the store does

    def written(self, before: bytes | None, after: bytes, rosters: Mapping[str, PackedRoster], reset: bool) -> None:
        """The register is about to be written; `rosters` are the values that a head may only name."""

    def register_lost(self) -> None:
        """The store is about to lose the register."""

    def member_ended(self, member: str, payload: bytes) -> None:
        """A membership has ended; `payload` is what it announced last."""

    def store_loses(self, register: bool, members: bool) -> None:
        """A fault is about to make the store lose what it knows."""

    # What the nodes do

    def joined(self, held: Assignment, payload: bytes | None) -> None:
        """A node was given a roster; `payload` is what its membership announces, None if it has none."""

    def begins_work(self, name: str, held: Assignment) -> None:
        """A node is at work."""

    def stops_work(self, name: str) -> None:
        """A node is not at work, or what it does is outside the promise."""

    def works_on(self, name: str, lease: Lease | None, now: float) -> None:
        """A node that works has taken in an event, and has no reason to stop; `now` is by its own clock."""

    def told_to_stop(self, name: str, held: Assignment, change: Change) -> None:
        """The job of a node that works is told to stop."""

    def leads(self, name: str, lease: Lease | None, now: float) -> None:
        """A node sends a write that only a leader may send; `now` is by its own clock."""

    def join_failed(self, name: str, member: str, error: Exception) -> None:
        """A node's join has failed; `member` is the membership that it had."""

    def goodbye_kept(self, member: str) -> None:
        """A member was told that its goodbye is kept."""

    # What an operator does

    def reset(self) -> None:
        """An operator is about to reset the run."""

    def closed_by_hand(self) -> None:
        """A node is about to be told to close the run."""
