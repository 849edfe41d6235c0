"""RDZV-MEMBER-15 and DURABLE-3: what a store that was killed has to know of members and keys, whatever their names."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import threading
import time
from itertools import islice

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import equal, shown, that
from rdzv_conformance.harness.register import Register
from rdzv_conformance.suite.awkward import awkward_values
from rdzv_conformance.suite.durable import needs_restart
from rdzv_conformance.suite.outages import await_return
from rdzv_conformance.suite.pairs import seen, two_members
from rdzv_conformance.suite.sequence_numbers import numbered
from rdzv_conformance.suite.store_writer import bytes_of
from rdzv_core import MemberLease, SupportsMembership, SupportsStore

TTL = 600.0
SHORT_TTL = 1.0
BRIEF_TTL = 2.0
BEFORE, AFTER = 0.6, 0.85
"""Of that ttl: together they are more than the whole of it."""
ENDS_WITHIN = 12.0
PAYLOADS = (b"", b"\0", b" text \n", b"\xff\xfe\x80", b"a\r\nb\t\n\n", bytes(range(256)) * 16)
CHANGES = 3
PREFIXES = ("round\n1", "", "ä/.. 'x'\t" + "p" * 502)
"""The last one has 512 bytes."""
KEYS = (
    "",
    " ",
    "\n",
    "a\nb",
    "a\r\nb",
    "a\tb",
    "\0",
    "ä",
    "a\u0308",
    "x=y",
    "x y",
    "{}",
    '"',
    "\\n",
    "#",
    "%s",
    "🚀",
    "/",
    "k" * 512,
)
LONGEST = 128 * 1024
MANY = 300
SOON = 5.0
ODD_RUN, MANY_MEMBERS = ("-ü\n/x y", 2), ("-many", 150)
"""What is added to the name of a run, and how many enter it at most."""
LEAST_MANY, MANY_SECONDS = 80, 1.0


class DurableMembers:
    """A store that was killed knows everything again: not only what is written plainly, and not only once."""

    @clause("RDZV-MEMBER-15")
    def test_RDZV_MEMBER_15_members_are_kept_whole_after_each_kill(self, under_test: BackendUnderTest) -> None:
        """Payloads of any bytes, numbers, versions, and other runs; who has left or ended stays away, twice."""
        two_members(under_test)
        restart = needs_restart(under_test)
        register = under_test.open(**under_test.target.as_client(), **under_test.target.impatient())
        members = under_test.needs(SupportsMembership, register)
        others = _other_runs(under_test)
        over, left = members.enter(b"over", under_test.paced(SHORT_TTL)), members.enter(b"left", TTL)
        leases = [members.enter(payload, TTL) for payload in PAYLOADS]
        members.leave(left)
        _await_end(under_test, members, over)
        expected = dict(zip([lease.id for lease in leases], PAYLOADS, strict=True))
        versions = [members.members().version]
        for turn in range(2):
            for number in range(CHANGES):
                expected[leases[0].id] = b"turn %d, change %d" % (turn, number)
                equal("what update gave", members.update(leases[0], expected[leases[0].id]), True)
                versions.append(members.members().version)
            if turn:  # after the first kill as before it
                leases.append(members.enter(b"between the kills", TTL))
                expected[leases[-1].id] = b"between the kills"
                versions.append(members.members().version)
            restart()
            await_return(under_test, register)
            when = f"after kill {turn + 1}"
            equal(f"the members {when}", seen(members.members()), [*expected.items()])
            for run, (elsewhere, theirs, entered) in others.items():
                await_return(under_test, elsewhere)
                there = seen(theirs.members())
                that(
                    there == entered,
                    f"{len(there)} members of the run {run!r} are there {when}, or others: {len(entered)} had entered",
                )
            for gone in (over, left):
                equal(f"what refresh of one who was gone before gave {when}", members.refresh(gone), False)
            members.update(numbered(leases[0], 1), b"overtaken")
            equal(f"the members {when}, and after an older write", seen(members.members()), [*expected.items()])
            members.update(leases[1], b"%d" % turn)
            expected[leases[1].id] = b"%d" % turn
            version = members.members().version
            that(version not in versions, f"a version {when} is one of before it, of other payloads: {version!r}")
            versions.append(version)

    @clause("RDZV-MEMBER-15")
    def test_RDZV_MEMBER_15_a_ttl_is_kept_and_begins_again(self, under_test: BackendUnderTest) -> None:
        """A member has its own ttl, whole, from when the store is there again; then it ends."""
        two_members(under_test)
        restart = needs_restart(under_test)
        register = under_test.open(**under_test.target.as_client(), **under_test.target.impatient())
        members = under_test.needs(SupportsMembership, register)
        ttl = under_test.paced(BRIEF_TTL)
        entered = time.monotonic()
        stays, brief = members.enter(b"stays", TTL), members.enter(b"brief", ttl)
        _pass(BEFORE * ttl)
        killed = time.monotonic()
        restart()
        await_return(under_test, register)
        _pass(killed + AFTER * ttl - time.monotonic())
        there = [each.id for each in members.members().members]
        # Else its ttl may have been over before the kill, or is over now.
        if killed < entered + 0.9 * ttl and time.monotonic() < killed + 0.98 * ttl:
            told = f"the members {AFTER * ttl:.1f} s after a kill, of which one has a ttl of {ttl:.1f} s"
            equal(f"{told}, {BEFORE * ttl:.1f} s of which had passed before it,", there, [stays.id, brief.id])
        _await_end(under_test, members, brief)
        equal("the members after a ttl", [each.id for each in members.members().members], [stays.id])

    @clause("RDZV-DURABLE-3")
    def test_RDZV_DURABLE_3_keys_and_values_of_any_kind_are_kept(self, under_test: BackendUnderTest) -> None:
        """Three stores with names, keys and values that a log might bend, and with many keys: all are there, whole."""
        restart = needs_restart(under_test)
        register = under_test.open(**under_test.target.as_client(), **under_test.target.impatient())
        stores = {prefix: under_test.needs(SupportsStore, register).store(prefix) for prefix in PREFIXES}
        expected: dict[str, dict[str, bytes]] = {}
        values = awkward_values()
        for number, (prefix, store) in enumerate(stores.items()):
            items = dict(zip(KEYS, islice(values, len(KEYS)), strict=True))
            items[KEYS[-1]] = bytes_of(prefix, LONGEST)
            for key, value in islice(items.items(), len(KEYS) // 2):
                store.set(key, value)
            store.multi_set(dict(islice(items.items(), len(KEYS) // 2, None)))
            if number == 0:
                many = {f"many-{each}": b"%d" % each for each in range(MANY)}
                store.multi_set(many)
                items |= many
            expected[prefix] = items
        restart()
        await_return(under_test, register)
        for prefix, store in stores.items():
            items, where = expected[prefix], f"in the store {prefix!r} after the store was killed"
            lost = [key for key in items if not store.check([key])]
            that(not lost, f"of {len(items)} keys {len(lost)} are lost {where}: {shown(lost)}")
            found = store.multi_get([*items], under_test.paced(SOON))
            wrong = [key for key, value in zip(items, found, strict=True) if value != items[key]]
            that(not wrong, f"of {len(items)} keys {len(wrong)} have another value {where}: {shown(wrong)}")
            equal(f"num_keys() {where}", store.num_keys(), len(items))


def _other_runs(
    under_test: BackendUnderTest,
) -> dict[str, tuple[Register, SupportsMembership, list[tuple[str, bytes]]]]:
    """Let a few members enter a run with an odd name, and many enter another; return who is there."""
    found = {}
    for name, most in ODD_RUN, MANY_MEMBERS:
        register = under_test.open(
            under_test.run_id + name, **under_test.target.as_client(), **under_test.target.impatient()
        )
        theirs, entered = under_test.needs(SupportsMembership, register), list[tuple[str, bytes]]()
        ends = time.monotonic() + MANY_SECONDS * under_test.target.pace
        while len(entered) < most and (len(entered) < LEAST_MANY or time.monotonic() < ends):
            payload = b"%d of another run" % len(entered)
            entered.append((theirs.enter(payload, TTL).id, payload))
        found[name] = register, theirs, entered
    return found


def _pass(seconds: float) -> None:
    threading.Event().wait(max(0.0, seconds))  # a ttl runs by the store's clock: there is nothing to await


def _await_end(under_test: BackendUnderTest, members: SupportsMembership, lease: MemberLease) -> None:
    ends = time.monotonic() + under_test.paced(ENDS_WITHIN)
    while any(each.id == lease.id for each in members.members().members):
        that(
            time.monotonic() < ends,
            f"a member with a ttl of {lease.ttl:.1f} s is there {under_test.paced(ENDS_WITHIN):.0f} s later",
        )
        members.wait_members(members.members().version, under_test.paced(SHORT_TTL) / 4)
