"""The order in which memberships end. No clock: the caller says what time it is."""

from __future__ import annotations

import heapq
import itertools
import math

from rdzv_tcp._state.member_entry import MemberEntry


class ExpiryQueue:
    """Members by when to look whether they have ended.

    A renewal only makes a member end later, and changes nothing here: that is found out when the earlier time comes.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, MemberEntry]] = []
        self._serial = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    def next(self) -> float | None:
        """Return when to look next; None: there are no members."""
        return self._heap[0][0] if self._heap else None

    def add(self, entry: MemberEntry, members: int, not_before: float = -math.inf) -> None:
        """Look at `entry` when it ends, unless it is to be looked at before; `members` is how many there are."""
        if entry.end < entry.queued:
            entry.queued = max(entry.end, not_before)
            heapq.heappush(self._heap, (entry.queued, next(self._serial), entry))
            if len(self._heap) > 2 * members + 64:
                self._heap = [each for each in self._heap if each[2].queued == each[0]]
                heapq.heapify(self._heap)

    def remove(self, entry: MemberEntry) -> None:
        """Look at `entry` no more."""
        entry.queued = -math.inf

    def pop(self, now: float) -> MemberEntry | None:
        """Take out the next member whose time to look has come; it may have been renewed since."""
        while self._heap and self._heap[0][0] <= now:
            at, _, entry = heapq.heappop(self._heap)
            if entry.queued == at:  # else it was removed, or is queued for an earlier time
                entry.queued = math.inf
                return entry
        return None

    def clear(self) -> None:
        """Forget all members."""
        for _, _, entry in self._heap:
            entry.queued = math.inf
        self._heap.clear()
