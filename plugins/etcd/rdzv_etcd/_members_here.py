"""The members of a run that this process has entered: what they ask etcd for, one of them asks for all."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from weakref import WeakValueDictionary


@dataclass(eq=False)
class Renewals:
    """What copies of a member's lease share. Without a lock: a renewal that is sent twice does no harm.

    `checked_at` is when its key was last known to be there, by `time.monotonic`.
    """

    key: bytes
    ttl: float
    lease: int
    run_lease: int
    renewed_at: float
    newest: int = 0
    checked_at: float = field(default_factory=time.monotonic)

    def unchecked_for(self, ttls: float) -> bool:
        """Return whether it was not known to be there for so many ttls."""
        return time.monotonic() - self.checked_at > ttls * self.ttl


class MembersHere:
    """The members that were entered in this process, and have not left. Thread-safe."""

    def __init__(self) -> None:
        self._by_key: WeakValueDictionary[bytes, Renewals] = WeakValueDictionary()

    def add(self, renewals: Renewals) -> None:
        """Add one that has entered."""
        self._by_key[renewals.key] = renewals

    def discard(self, renewals: Renewals) -> None:
        """Remove one that leaves."""
        self._by_key.pop(renewals.key, None)

    def __len__(self) -> int:
        return len(self._by_key)

    def unchecked_for(self, ttls: float) -> dict[bytes, Renewals]:
        """Return those, by key, that were not known to be there for so many ttls."""
        here = [ref() for ref in self._by_key.valuerefs()]  # in one step: others enter and leave meanwhile
        return {each.key: each for each in here if each is not None and each.unchecked_for(ttls)}
