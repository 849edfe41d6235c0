"""Members that went, expired, or were dropped: I15 and I20."""

from __future__ import annotations

from rdzv_core._handler.head import Head, decode_announcement
from rdzv_simulation._checks.work import WorkChecks
from rdzv_simulation._cluster.store import SimStore
from rdzv_simulation._cluster.timeline import Timeline
from rdzv_simulation._invariants import Violation

FASTEST = 1.025
"""How many seconds a node's clock may count in one."""


class DepartureChecks:
    """Knows when each membership ended, and whose goodbye was kept."""

    def __init__(self, timeline: Timeline, store: SimStore, work: WorkChecks, evict_after: float | None) -> None:
        self._timeline, self._store, self._work, self._evict_after = timeline, store, work, evict_after
        self._kept: set[str] = set()
        self._ended: dict[str, tuple[float, bool]] = {}
        self._pending: tuple[str, int, float] = ("", 0, 0.0)

    def goodbye_kept(self, member: str) -> None:
        """Take note that a member was told that its goodbye is kept."""
        self._kept.add(member)

    def ended(self, member: str, payload: bytes) -> None:
        """Take note that a membership ended; one that asked, or had said goodbye, did not work."""
        if not self._work.is_evicted(member):
            says = decode_announcement(payload)
            self._ended[member] = (self._timeline.time, says is not None and bool(says.bye or says.ask))

    def seconds_since_expiry(self, member: str) -> float:
        """Return how long ago a member expired that was at work."""
        at, idle = self._ended.get(member, (-1e9, False))
        return float("inf") if idle else self._timeline.time - at

    def written(self, old: Head, new: Head) -> None:
        """Check whom a write of the head counts as lost."""
        lost = {member for member, how in new.gone().items() if how == "lost"} - old.gone().keys()
        if missed := self._kept & lost:
            raise Violation("I15", f"{' and '.join(sorted(missed))} said goodbye and counts as lost")
        if new.round == old.round and lost:
            self._evictions(new, lost)
        if new.pending and self._pending[:2] != (new.epoch, new.round):
            self._pending = (new.epoch, new.round, self._timeline.time)

    def _evictions(self, new: Head, lost: set[str]) -> None:
        """Check that no live member is dropped too soon; what it does after that is outside the promise."""
        now, since = self._timeline.time, self._pending
        for member in lost:
            if self._store.payload(member) is None:
                continue
            asked = since[2] if since[:2] == (new.epoch, new.round) else now
            if self._evict_after is None or (now - asked) * FASTEST < self._evict_after:
                raise Violation(
                    "I20", f"{member[:8]} is alive, and is dropped {now - asked:.3f} s after it was asked to stop"
                )
            self._timeline.note(f"{member[:8]} is evicted")
            self._ended[member] = (now, False)
            self._work.evict(member)
