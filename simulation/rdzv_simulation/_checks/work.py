"""Who works, in which round, and by which lease: I1, I2, I3, I9 and I10."""

from __future__ import annotations

from rdzv_core._handler.head import RoundId, decode_announcement
from rdzv_core._handler.lease import Lease
from rdzv_core._handler.operations import Assignment
from rdzv_simulation._checks.voids import Voids
from rdzv_simulation._invariants import Violation


class WorkChecks:
    """Knows every roster that a node was given, and which nodes work by which one.

    `rounds` counts the rounds that formed: their roster was written, and at least one node joined.
    """

    def __init__(self, voids: Voids) -> None:
        self.rounds = 0
        self.rosters: dict[tuple[str, int], tuple[object, ...]] = {}
        self.working: dict[str, Assignment] = {}
        self._voids = voids
        self._ranks: dict[tuple[str, int, int], str] = {}
        self._groups: dict[tuple[str, int], int] = {}
        self._evicted: set[str] = set()

    def joined(self, held: Assignment, payload: bytes | None) -> None:
        """Compare a roster that a node was given with those of the others."""
        key = (held.epoch, held.round)
        given = (held.digest, held.roster, held.size, held.fence)
        known = self.rosters.get(key)
        if known is None:
            self.rosters[key] = given
            self.rounds += 1
        elif known != given:
            raise Violation("I1", f"two rosters for round {held.round} of epoch {held.epoch}")
        named = held.roster[held.rank].member if held.roster else held.member
        if not 0 <= held.rank < held.size or self._ranks.setdefault((*key, held.rank), held.member) != named:
            raise Violation("I2", f"rank {held.rank} of round {held.round} is not who it says")
        says = None if payload is None else decode_announcement(payload)
        if says is not None and says.at != RoundId(held.epoch, held.round):
            raise Violation("I9", f"rank {held.rank} works in round {held.round} and announces {says}")

    def begins(self, name: str, held: Assignment) -> None:
        """Take note that a node is at work."""
        self.stops(name)
        if held.member in self._evicted:
            return
        self.working[name] = held
        key = (held.epoch, held.round)
        self._groups[key] = self._groups.get(key, 0) + 1
        if len(self._groups) > 1 and not self._voids.now:
            raise Violation("I3", f"two groups work at once: {sorted(self._groups)}")

    def stops(self, name: str) -> None:
        """Take note that a node is not at work, or that what it does is outside the promise."""
        held = self.working.pop(name, None)
        if held is not None:
            key = (held.epoch, held.round)
            self._groups[key] -= 1
            if not self._groups[key]:
                del self._groups[key]

    def evict(self, member: str) -> None:
        """Take note that what a member does from now on is outside the promise."""
        self._evicted.add(member)
        for name in [name for name, held in self.working.items() if held.member == member]:
            self.stops(name)

    def is_evicted(self, member: str) -> bool:
        """Whether a member was dropped while it was alive."""
        return member in self._evicted


def require_lease(name: str, does: str, lease: Lease | None, now: float) -> None:
    """Raise `Violation` if a node cannot prove its lease while it `does` something; `now` is by its own clock."""
    if lease is None or now >= lease.sent + 0.9 * lease.ttl:
        since = "no lease" if lease is None else f"a lease of {now - lease.sent:.2f} s ago"
        raise Violation("I10", f"{name} {does} with {since}")
