"""Which members something on its way to the disk is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


class PendingMembers:
    """Counts, by member, what has been submitted and is not in memory yet."""

    def __init__(self) -> None:
        self._count: Counter[bytes] = Counter()

    def __contains__(self, member: bytes) -> bool:
        return member in self._count

    def count(self, member: bytes) -> int:
        """Return how much is pending about `member`."""
        return self._count[member]

    def add(self, members: Iterable[bytes]) -> None:
        """Count one more for each of `members`."""
        self._count.update(members)

    def done(self, members: Iterable[bytes]) -> None:
        """Count one less for each of `members`."""
        self._count -= Counter(members)
