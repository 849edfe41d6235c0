"""A membership on registers, as its node holds it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rdzv_core._fallback.pace import CONTENTION_LIMIT, Life
from rdzv_core._fallback.pages import SlotRecord
from rdzv_core._fallback.roll import Slot
from rdzv_core.abc import MemberLease, Token


class RegisterLease(MemberLease):
    """A membership on registers: the member's slot, and what it was last seen to hold.

    `hint` is the token of an incarnation record that names another directory than the one that was then found to list
    this member: two nodes had founded one at the same time.
    """

    def __init__(self, ttl: float, incarnation: str, record: SlotRecord, slot: Slot) -> None:
        super().__init__(ttl, incarnation, slot.id)
        self.lock = threading.Lock()
        self.record = record
        self.slot = slot
        self.hint: Token | None = None
        self.ended = False
        self.left = False

    def write(self, change: Callable[[Slot], Slot], life: Life) -> bool:
        """Change the slot's record, the lock being held; False if it no longer is this member's.

        Only this lease writes a record that holds this member, so an unexpected one is an earlier write of its own
        whose answer was lost: it is taken as it is, and built on.
        """
        for _ in life.attempts(CONTENTION_LIMIT):
            won, there = self.record.write(change(self.slot), self.slot)
            if there is None or not (won or there.holds(self.id)):
                return False
            self.slot = there
            if won:
                return True
        raise AssertionError("attempts end by an error only")
