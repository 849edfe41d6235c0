"""RDZV-MEMBER-8: writes of a member that come late, twice, or with a large number."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import time
from collections.abc import Callable

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Untested, equal, that
from rdzv_conformance.suite.pairs import seen, two_members
from rdzv_conformance.suite.sequence_numbers import NO_SEQUENCE, asked, numbered, overtaken
from rdzv_conformance.suite.sequence_numbers import again as again_of
from rdzv_core import MemberLease

TTL = 60.0
SHORT_TTL = 1.0
EXPIRES_WITHIN = 12.0
SEQUENCES = (2**15, 2**16, 2**16 + 1, 2**24, 2**31 - 1, 2**31, 2**32 + 1)


class Overtaken:
    """A write that was overtaken changes nothing, and one that comes twice is no older one."""

    @clause("RDZV-MEMBER-8")
    def test_RDZV_MEMBER_8_an_older_write_replaces_nothing(self, under_test: BackendUnderTest) -> None:
        """An update that was overtaken by a later one leaves the later payload."""
        one, other = two_members(under_test)
        lease = one.enter(b"first", TTL)
        older = overtaken(lease)
        for number in range(3):
            equal("what update gave", one.update(lease, b"%d" % number), True)
        version = other.members().version
        for backend in (one, other):  # what one instance has sent before, the other one cannot know
            gave = backend.update(older, b"overtaken")
            if not asked(older):
                raise Untested(NO_SEQUENCE)
            equal("what update gave of a member in time, as an older write", gave, True)
            equal("the members after an older update arrived", seen(other.members()), [(lease.id, b"2")])
            equal("the version after an older update arrived", other.members().version, version)
            equal("what refresh gave of a member in time, as an older write", backend.refresh(older), True)
            equal("the version after an older refresh arrived", other.members().version, version)

    @clause("RDZV-MEMBER-8")
    def test_RDZV_MEMBER_8_an_older_write_renews_nothing(self, under_test: BackendUnderTest) -> None:
        """Overtaken by a write of its kind, or of the other, it keeps nobody: who sends nothing newer ends."""
        one, other = two_members(under_test)
        writes: dict[str, Callable[[MemberLease], bool]] = {
            "refresh": one.refresh,
            "update": lambda lease: one.update(lease, b"overtaken"),
        }
        ttl, again = under_test.paced(SHORT_TTL), {}
        for what, write in writes.items():
            again[what] = again_of(one.enter(b"asks", ttl))
            write(again[what])
        kinds = [what for what in writes if asked(again[what])]
        goes = {(older, newer): one.enter(b"goes", ttl) for older in kinds for newer in kinds}
        late = {kind: overtaken(lease) for kind, lease in goes.items()}
        for _ in range(3):
            for (_, newer), lease in goes.items():
                writes[newer](lease)
        ends = time.monotonic() + under_test.paced(EXPIRES_WITHIN)
        while left := {each.id for each in other.members().members} & {lease.id for lease in goes.values()}:
            for (older, newer), lease in goes.items():
                that(
                    time.monotonic() < ends or lease.id not in left,
                    f"writes by {older} that were overtaken by newer ones by {newer} keep a member with a ttl of "
                    f"{ttl:.1f} s for ever",
                )
                writes[older](late[older, newer])
            other.wait_members(other.members().version, ttl / 4)
        if "refresh" not in kinds:
            raise Untested(NO_SEQUENCE)

    @clause("RDZV-MEMBER-8")
    def test_RDZV_MEMBER_8_a_write_that_comes_twice_is_no_older_one(self, under_test: BackendUnderTest) -> None:
        """A client that lost the answer sends the same write again: it is answered as the first was, and stays."""
        one, other = two_members(under_test)
        lease = one.enter(b"first", TTL)
        again = again_of(lease)
        for turn in ("first", "second"):
            equal(f"what update gave when it came for the {turn} time", one.update(again, b"new"), True)
        if not asked(again):
            raise Untested(NO_SEQUENCE)
        equal("the members after an update came twice", seen(other.members()), [(lease.id, b"new")])
        again = again_of(lease)
        for turn in ("first", "second"):
            equal(f"what refresh gave when it came for the {turn} time", one.refresh(again), True)
        equal("the members after a refresh came twice", seen(other.members()), [(lease.id, b"new")])

    @clause("RDZV-MEMBER-8")
    def test_RDZV_MEMBER_8_a_sequence_number_may_be_large(self, under_test: BackendUnderTest) -> None:
        """A member that has renewed for weeks is renewed on: numbers that 16 or 32 bits cannot hold are newer ones."""
        one, other = two_members(under_test)
        lease = one.enter(b"first", TTL)
        for number in SEQUENCES:
            write = numbered(lease, number)
            payload = b"write %d" % number
            equal(f"what update gave as a member's write number {number}", one.update(write, payload), True)
            if not asked(write):
                raise Untested(NO_SEQUENCE)
            found = [each.payload for each in other.members().members]
            equal(f"the payloads after a member's write number {number}", found, [payload])
        equal("what update gave as an older write", one.update(numbered(lease, 5), b"overtaken"), True)
        equal("what refresh gave as an older write", one.refresh(numbered(lease, 6)), True)
        found = [each.payload for each in other.members().members]
        equal("the payloads after an older write", found, [payload])
