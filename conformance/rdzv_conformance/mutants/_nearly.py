"""Mutants of RDZV-MEMBER-2, 6, 7 and 8: what is nearly the same payload, version or sequence number is taken for it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

from rdzv_conformance.mutants._leases import Versions
from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_core import MemberLease, MembersView, Token
from rdzv_core.validation import checked_payload


def _payloads(alike: Callable[[bytes], object], name: str, sentence: str) -> Mutant:
    class Unchanged(SoundMemory):
        def update(self, member: MemberLease, payload: bytes) -> bool:
            payload = checked_payload(payload)
            with self._members() as table:
                entry = table._entries.get(member.id)
                if entry is not None and alike(entry.payload) == alike(payload):
                    payload = entry.payload
                return super().update(member, payload)

    others = ("MEMBER-1", "MEMBER-6", "MEMBER-7", "MEMBER-11", "MEMBER-5", "MEMBER-12")
    return mutant(name, sentence, "MEMBER-2", message="which is nearly the same", may_break=others)(Unchanged)


@mutant(
    "versions-begin-again-after-a-loss",
    "The version is a counter, which begins again when the members are lost: who waits with an old one may wait on.",
    "MEMBER-6",
    message="after the members were lost and others came, the version is",
    may_break=("MEMBER-7", "MEMBER-9"),
)
class VersionsBeginAgainAfterALoss(Versions):
    def told(self, view: MembersView) -> Any:
        return f"{self.run}:{str(view.version).rpartition(':')[2]}"


@mutant(
    "only-the-number-is-compared",
    "Of a version the number behind the colon is compared: another run's, with as many changes, is the current one.",
    "MEMBER-7",
    message="wait_members with a version that is of another run has not returned",
    may_break=("MEMBER-9",),
)
class OnlyTheNumberIsCompared(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        current = self.members().version
        if version is not None and str(version).rpartition(":")[2] == str(current).rpartition(":")[2]:
            version = current
        return super().wait_members(version, timeout)


@mutant(
    "versions-are-parsed",
    "A version is taken apart, and what has no colon, or is no text, is an error.",
    "MEMBER-7",
    message="",
)
class VersionsAreParsed(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        if version is not None:
            incarnation, number = str(version).split(":")
            version = f"{incarnation}:{int(number)}"
        return super().wait_members(version, timeout)


@mutant(
    "a-version-is-compared-as-text",
    "Versions are compared without regard to case and white space.",
    "MEMBER-7",
    message="has not returned",
)
class AVersionIsComparedAsText(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        current = str(self.members().version)
        if isinstance(version, str) and version.strip(" \0").lower() == current:
            version = current
        return super().wait_members(version, timeout)


@mutant(
    "nobody-is-no-change",
    "wait_members(None) waits for the first member, as wait_state(None) does for the first state.",
    "MEMBER-7",
    message="wait_members(None) gave where nobody is there is False",
)
class NobodyIsNoChange(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        view = self.members()
        return super().wait_members(view.version if version is None and not view.members else version, timeout)


@mutant(
    "an-overtaken-update-renews",
    "The lease is renewed before it is asked whether the update was overtaken.",
    "MEMBER-8",
    message="writes by update that were overtaken",
)
class AnOvertakenUpdateRenews(SoundMemory):
    def update(self, member: MemberLease, payload: bytes) -> bool:
        with self._members() as table:
            entry = table._entries.get(member.id)
            if entry is not None:
                entry.ends = self.hub.now() + entry.ttl
            return super().update(member, payload)


class _TwoSequences(SoundMemory):
    """The numbers of refreshes and of updates are kept in two columns, and `numbered` compares with one of them."""

    def written(self, member: MemberLease, payload: bytes | None) -> bool:
        """Write, comparing with the last write of the same kind only."""
        with self._members() as table:
            entry, number = table._entries.get(member.id), member.next_sequence()
            last: dict[tuple[str, bool], int] = vars(table).setdefault("last", {})
            kind = member.id, payload is None
            if entry is not None and number >= last.get(kind, 0):
                last[kind], entry.sequence = number, min(entry.sequence, number - 1)
            return table.write(member.id, number, payload, self.hub.now())


@mutant(
    "a-sequence-for-each-kind",
    "A refresh is compared with the last refresh and an update with the last update: an old one of the other renews.",
    "MEMBER-8",
    message="that were overtaken by newer ones by",
)
class ASequenceForEachKind(_TwoSequences):
    def refresh(self, member: MemberLease) -> bool:
        return self.written(member, None)

    def update(self, member: MemberLease, payload: bytes) -> bool:
        return self.written(member, checked_payload(payload))


MUTANTS = (
    _payloads(zlib.crc32, "equal-crcs-are-equal", "An update with the CRC-32 of what is there is left out."),
    _payloads(lambda raw: (len(raw), raw[:255]), "equal-beginnings-are-equal", "255 bytes of a payload are compared."),
    _payloads(
        lambda raw: (len(raw), sum(raw)), "equal-sums-are-equal", "An update with the length and the sum is left out."
    ),
    VersionsBeginAgainAfterALoss,
    OnlyTheNumberIsCompared,
    VersionsAreParsed,
    AVersionIsComparedAsText,
    NobodyIsNoChange,
    AnOvertakenUpdateRenews,
    ASequenceForEachKind,
)
