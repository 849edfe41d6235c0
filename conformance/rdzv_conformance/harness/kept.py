"""What is written before the first test, and that nobody touches until the last one: a state, a key, and a member."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from rdzv_core import MemberLease, StateSnapshot, SupportsMembership, SupportsStore

STORE, KEY, VALUE = "kept", "kept", b"kept"
TTL = 900.0
"""Longer than the suite takes with any store: the member is not renewed."""


@dataclass
class Kept:
    """What was written in the run `run_id`, and when (`time.monotonic`)."""

    run_id: str
    snapshot: StateSnapshot
    written: float = field(default_factory=time.monotonic)
    key_set: float | None = None
    lease: MemberLease | None = None
    entered: float = 0.0

    def replaced(self, snapshot: StateSnapshot) -> None:
        """Note that the state was written again: the time counts from now."""
        self.snapshot, self.written = snapshot, time.monotonic()

    def age(self) -> float:
        """Return how many seconds it has stood."""
        return time.monotonic() - self.written

    def keep_more(self, backend: Any) -> None:
        """Set a key and let a member enter, where the backend claims to have such and they are not there."""
        if isinstance(backend, SupportsStore):
            store = backend.store(STORE)
            if not store.check([KEY]):
                store.set(KEY, VALUE)
                self.key_set = time.monotonic()
        if isinstance(backend, SupportsMembership):
            there = [each.id for each in backend.members().members]
            if self.lease is None or self.lease.id not in there:
                self.lease, self.entered = backend.enter(VALUE, TTL), time.monotonic()
