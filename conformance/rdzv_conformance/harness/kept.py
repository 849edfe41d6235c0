"""A state that is written before the first test, and that nobody touches until the last one."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from rdzv_core import StateSnapshot


@dataclass
class Kept:
    """What was written in the register of `run_id`, and when (`time.monotonic`)."""

    run_id: str
    snapshot: StateSnapshot
    written: float = field(default_factory=time.monotonic)

    def replaced(self, snapshot: StateSnapshot) -> None:
        """Note that it was written again: the time counts from now."""
        self.snapshot, self.written = snapshot, time.monotonic()

    def age(self) -> float:
        """Return how many seconds it has stood."""
        return time.monotonic() - self.written
