"""Mutants of RDZV-MEMBER-6, 7, 8 and 19: overtaken writes, versions, and what has just been read."""

from __future__ import annotations

import time
from typing import Any

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_core import MembersView

A_MOMENT = 0.02


@mutant(
    "each-instance-orders-its-own",
    "A client drops its own older writes; the store takes whatever comes, from whichever instance.",
    "MEMBER-8",
    message="the members after an older update arrived",
)
class EachInstanceOrdersItsOwn(SoundMemory):
    def write_member(self, member: str, sequence: int, payload: bytes | None) -> bool:
        sent: dict[str, int] = vars(self).setdefault("sent", {})
        with self._members() as table:
            entry = table._entries.get(member)
            if entry is None or sequence < sent.get(member, 0):
                return entry is not None
            sent[member], entry.sequence = sequence, 0
            return super().write_member(member, sequence, payload)


@mutant(
    "an-overtaken-refresh-counts",
    "A refresh that was overtaken counts as a change.",
    "MEMBER-8",
    message="the version after an older refresh arrived",
)
class AnOvertakenRefreshCounts(SoundMemory):
    def write_member(self, member: str, sequence: int, payload: bytes | None) -> bool:
        with self._members() as table:
            entry = table._entries.get(member)
            if entry is not None and sequence < entry.sequence and payload is None:
                table._version += 1
            return super().write_member(member, sequence, payload)


@mutant(
    "a-refused-update-counts",
    "An update of a membership that has ended counts as a change: all who wait are woken in vain.",
    "MEMBER-6",
    message="changed the version",
)
class ARefusedUpdateCounts(SoundMemory):
    def write_member(self, member: str, sequence: int, payload: bytes | None) -> bool:
        with self._members() as table:
            if payload is not None and member not in table._entries:
                table._version += 1
            return super().write_member(member, sequence, payload)


@mutant(
    "the-first-have-their-own-version",
    "first(k) says a version with the k in it, with which a wait ends at once, for ever.",
    "MEMBER-19",
    message="the version of first(5)",
    may_break=("MEMBER-7",),
)
class TheFirstHaveTheirOwnVersion(SoundMemory):
    def first(self, k: int) -> MembersView:
        view = super().first(k)
        return view._replace(version=f"{view.version!r}/{k}")


@mutant(
    "counts-are-kept-for-a-moment",
    "A count is kept for 20 ms, for many ask for it.",
    "MEMBER-19",
    message="count() just after enter",
    may_break=("MEMBER-1", "MEMBER-4", "MEMBER-5"),
)
class CountsAreKeptForAMoment(SoundMemory):
    def count(self) -> int:
        kept: list[Any] = vars(self).setdefault("kept", [0.0, 0])
        with self.opened():
            if time.monotonic() > kept[0] + A_MOMENT:
                kept[:] = time.monotonic(), super().count()
        return int(kept[1])


@mutant(
    "renewals-in-whole-seconds",
    "A renewal is the store's EXPIRE, which takes whole seconds.",
    "MEMBER-3",
    message="a renewal is for a whole ttl",
    may_break=("MEMBER-2",),
)
class RenewalsInWholeSeconds(SoundMemory):
    def write_member(self, member: str, sequence: int, payload: bytes | None) -> bool:
        with self._members() as table:
            there = super().write_member(member, sequence, payload)
            entry = table._entries.get(member)
            if entry is not None and entry.ttl >= 1:
                entry.ends = self.hub.now() + int(entry.ttl)
            return there


MUTANTS = (
    RenewalsInWholeSeconds,
    EachInstanceOrdersItsOwn,
    AnOvertakenRefreshCounts,
    ARefusedUpdateCounts,
    TheFirstHaveTheirOwnVersion,
    CountsAreKeptForAMoment,
)
