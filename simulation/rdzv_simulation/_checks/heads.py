"""Every write of the register (I5, I6, I11 and I14), and what nodes take it for (I21)."""

from __future__ import annotations

from collections.abc import Mapping

from rdzv_core._handler.head import Head, decode_head
from rdzv_core._handler.info import Change, ChangeReason
from rdzv_core._handler.operations import Assignment
from rdzv_core._handler.roster import PackedRoster, unpack_roster
from rdzv_simulation._invariants import Violation

_HEAD_BYTES = 16 * 1024


class HeadChecks:
    """Decodes what is written, and remembers the last head."""

    def __init__(self) -> None:
        self._last: tuple[bytes | None, Head | None] = (None, None)

    def decode(
        self, before: bytes | None, after: bytes, rosters: Mapping[str, PackedRoster]
    ) -> tuple[Head | None, Head]:
        """Return the old and the new head, with their rosters."""
        old = self._old(before)
        new = decode_head(after)
        if new.digest:
            new = new.with_roster(unpack_roster(new.digest, rosters[new.digest].whole))
        self._last = (after, new)
        return old, new

    @property
    def epoch(self) -> str:
        """The epoch in the register; empty if there is none."""
        head = self._last[1]
        return "" if head is None else head.epoch

    def forget(self) -> None:
        """Take note that the register is lost."""
        self._last = (None, None)

    def _old(self, state: bytes | None) -> Head | None:
        if state is None:
            return None
        return self._last[1] if self._last[0] == state else decode_head(state)


def check_told(name: str, held: Assignment, change: Change, epoch: str) -> None:
    """Check why a node is told to stop, while the register has that epoch."""
    if change.reason is ChangeReason.STORE_LOST and held.epoch == epoch:
        raise Violation("I21", f"{name} is told that round {held.round} of {epoch[:4]} is lost, and the store has it")


def check_first(new: Head) -> None:
    """Check a head that begins an epoch."""
    if new.round:
        raise Violation("I11", f"a new epoch begins with round {new.round}")


def check_step(old: Head, new: Head, size: int) -> None:
    """Check a head, of so many bytes, that follows another one."""
    if new.epoch != old.epoch:
        raise Violation("I11", f"epoch {old.epoch} was overwritten by {new.epoch}")
    if old.closed:
        raise Violation("I5", f"the closed run of epoch {old.epoch} was written again")
    if new.revision <= old.revision:
        raise Violation("I6", f"revision {old.revision} was followed by {new.revision}")
    if old.terms is not None and new.terms != old.terms:
        raise Violation("I6", f"the terms {old.terms} were followed by {new.terms}")
    grown = new.round - old.round
    if grown not in (0, 1) or new.fence - old.fence != grown:
        raise Violation("I6", f"round {old.round}/{old.fence} was followed by {new.round}/{new.fence}")
    if size > _HEAD_BYTES:
        raise Violation("I14", f"the head has {size} bytes")


def is_full(head: Head) -> bool:
    """Whether every seat of the last roster is taken; those of members that are done stay taken."""
    taken = head.size - len([how for how in head.gone().values() if how != "done"])
    return head.round > 0 and not head.closed and head.terms is not None and taken >= head.terms.max_nodes
