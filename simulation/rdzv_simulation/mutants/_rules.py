"""Mutants that take away a rule."""

# ruff: noqa: ARG002 - where a rule is taken away, nothing looks at its arguments any more

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from rdzv_core._handler.head import Announcement, DepartureOutcome, Head, RoundId
from rdzv_core._handler.rules import Rules
from rdzv_core._handler.situation import Situation
from rdzv_core.abc import MembersView


class AskIsABoolean(Rules):
    """A member of the last roster asks as soon as it says that it asked for anything."""

    def is_asking(self, says: Announcement, head: Head, seated: bool) -> bool:
        return says.ask is not None and says.ask.epoch == head.epoch


class NeverFenced(Rules):
    """A node goes on working however long its lease has not been renewed."""

    def is_fenced(self, now: float, sent: float, ttl: float) -> bool:
        return False


class FencedTooLate(Rules):
    """A lease is trusted for twice as long as it lasts."""

    def is_fenced(self, now: float, sent: float, ttl: float) -> bool:
        return now >= sent + 2 * ttl


class LeadsWithoutAMemory(Rules):
    """A node that does not know who worked in the epoch that the register lost leads the next one as if it did."""

    def is_forgotten(self, past: str, remembered: str) -> bool:
        return False


class WritesWithoutALease(Rules):
    """A node that was once the first member goes on leading when it can no longer prove its lease."""

    def may_write(self, now: float, sent: float, ttl: float) -> bool:
        return True

    def is_fenced(self, now: float, sent: float, ttl: float) -> bool:
        return now >= sent + 1.5 * ttl


class NoFenceDelay(Rules):
    """A roster that drops an expired member does not wait for its work to stop."""

    def needs_fence(self, departure: DepartureOutcome) -> bool:
        return False


class SparesWake(Rules):
    """Every waiting node counts, even if there is no place for it."""

    def admissible(self, head: Head, occupied: int, waiting: int) -> int:
        return waiting


class AbsenceIsDeath(Rules):
    """After the store lost its memberships, everybody who has not come back at once is gone."""

    def is_gone_for_good(self, head: Head, view: MembersView, settled: bool) -> bool:
        return True


class ForeignersAreIgnored(Rules):
    """A live member that works in a round which the register lost does not block."""

    def is_foreign(self, says: Announcement, head: Head, seated: bool) -> bool:
        return False


class EpochsAreIgnored(Rules):
    """Rounds are compared by their number alone."""

    def is_asking(self, says: Announcement, head: Head, seated: bool) -> bool:
        return says.ask is not None and (not seated or says.ask.round > head.round)

    def is_foreign(self, says: Announcement, head: Head, seated: bool) -> bool:
        return says.at is not None and says.at.round != head.round


class NobodyIsAwaited(Rules):
    """A round forms without those of the last one who still work."""

    def may_follow(self, situation: Situation) -> bool:
        return True


class AwaitsOnlyItsOwn(Rules):
    """Only members of the last roster are waited for, not those of a round that the register lost."""

    def is_foreign(self, says: Announcement, head: Head, seated: bool) -> bool:
        return seated and says.at is not None and says.at != RoundId(head.epoch, head.round)


class NobodyIsTooMany(Rules):
    """Everybody who asks is admitted, beyond max_nodes too."""

    def assess(self, head: Head, view: MembersView, settled: bool) -> Situation:
        boundless = None if head.terms is None else msgspec.structs.replace(head.terms, max_nodes=1000)
        return super().assess(msgspec.structs.replace(head, terms=boundless), view, settled)


class SpareRunsItAgain(Rules):
    """A run whose members have all finished goes on with the spares."""

    def is_finished(self, head: Head, departed: Mapping[str, DepartureOutcome]) -> bool:
        return False


class StandbyHasADeadline(Rules):
    """A spare gives up after the join timeout, while the others work."""

    def is_full(self, head: Head) -> bool:
        return False
