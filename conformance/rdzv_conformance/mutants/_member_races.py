"""Mutants of RDZV-MEMBER-1 and 2: of two changes at the same time one is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_core import MemberLease
from rdzv_core.memory import MemoryBackend
from rdzv_core.memory._members import MemberTable
from rdzv_core.validation import checked_payload


class _InACopy(SoundMemory):
    """What it changes it changes in a copy of the members, which it then puts in the place of what is there."""

    @contextmanager
    def copied(self) -> Iterator[MemberTable]:
        """Give a table to change; what is in it afterwards is the run's."""
        copy = MemberTable()
        with self._members() as table:
            copy.incarnation, copy._version = table.incarnation, table._version
            copy._entries = {member: replace(entry) for member, entry in table._entries.items()}
        time.sleep(0)  # others go on
        yield copy
        with self._members() as table:
            changed = copy.version != table.version
            table._entries, table._version = copy._entries, max(table._version + changed, copy._version)
            self.hub.changed.notify_all()

    def written(self, member: MemberLease, payload: bytes | None) -> bool:
        """Write in a copy, and say whether the member was there."""
        with self.copied() as table:
            return table.write(member.id, member.next_sequence(), payload, self.hub.now())


def _undoes(name: str, sentence: str, *breaks: str, message: str) -> Callable[[type[MemoryBackend]], Mutant]:
    others = tuple(f"MEMBER-{number}" for number in (2, 3, 5, 7, 8, 13))
    return mutant(name, sentence, *breaks, message=message, may_break=others)


@_undoes(
    "leaves-in-a-copy",
    "Who leaves reads the members, takes itself out, and writes them back.",
    "MEMBER-1",
    message="at once",
)
class LeavesInACopy(_InACopy):
    def leave(self, member: MemberLease) -> None:
        with self.copied() as table:
            table.leave(member.id)


@_undoes(
    "updates-in-a-copy",
    "update reads the members, changes one payload, and writes them back.",
    "MEMBER-1",
    message="at once",
)
class UpdatesInACopy(_InACopy):
    def update(self, member: MemberLease, payload: bytes) -> bool:
        return self.written(member, checked_payload(payload))


@_undoes(
    "refreshes-in-a-copy",
    "refresh reads the members, sets one end, and writes them back.",
    "MEMBER-1",
    message="at once",
)
class RefreshesInACopy(_InACopy):
    def refresh(self, member: MemberLease) -> bool:
        return self.written(member, None)


@_undoes(
    "refreshes-with-the-payload",
    "refresh reads the member, sets its end, and writes both back: the payload of an update meanwhile is gone.",
    "MEMBER-2",
    message="while another thread renews the member",
)
class RefreshesWithThePayload(SoundMemory):
    def refresh(self, member: MemberLease) -> bool:
        with self._members() as table:
            read = table._entries.get(member.id)
            payload = None if read is None else read.payload
        time.sleep(0)
        there = super().refresh(member)
        with self._members() as table:
            if there and payload is not None and member.id in table._entries:
                table._entries[member.id].payload = payload
        return there


MUTANTS = (
    LeavesInACopy,
    UpdatesInACopy,
    RefreshesInACopy,
    RefreshesWithThePayload,
)
