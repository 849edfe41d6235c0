"""RDZV-MEMBER-1, 10, 19, 20 and CONN-11: the members as several processes see them."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
import warnings
from typing import Any, cast

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Blamed, equal, that
from rdzv_conformance.harness.lines import Say
from rdzv_conformance.suite.colleague import Colleague
from rdzv_conformance.suite.member_races import CameAndWent, come_and_go, judge_members
from rdzv_conformance.suite.pairs import two_members
from rdzv_conformance.suite.processes import Worker, in_another_process, once_ready
from rdzv_core import MembersView, SupportsMembership

TTL = 600.0
PAUSES = (0.0, 0.0, 0.02, 0.1, 0.25)
PROCESSES, ENTRIES = 2, 12
STALLED_TTL = 1.0
STALLED = 1.6
"""Of that ttl: for so long the observer stands still."""
SEEN, AFTER = 0.3, 0.3
RENEW_EVERY = 0.2
EXIT_LIMIT = 20.0


class MemberProcesses:
    """A run's members are those of all its processes, and are seen alike in each."""

    @clause("RDZV-MEMBER-19", "RDZV-MEMBER-20")
    def test_RDZV_MEMBER_19_what_a_process_has_changed_another_one_sees(self, under_test: BackendUnderTest) -> None:
        """It has looked just before, or a while ago: each call sees who came, changed and went in the other process."""
        one, other = two_members(under_test)
        under_test.needs_other_processes()
        mine = one.enter(b"mine", TTL)
        with Colleague(under_test) as colleague:
            run_id = under_test.run_id
            for turn, pause in enumerate(PAUSES):
                payload = b"%d" % turn
                for what, arguments, expected in (
                    ("enter", (), [b"mine", b""]),
                    ("update", (payload,), [b"mine", payload]),
                    ("leave", (), [b"mine"]),
                ):
                    versions = [backend.members().version for backend in (one, other)]
                    threading.Event().wait(pause)  # what is old by then is not to be given: nothing can be awaited
                    colleague.change(run_id, what, *arguments)
                    for backend, version in zip((other, one), versions[::-1], strict=True):
                        _sees(backend, f"after {what} in another process", expected, version)
                    theirs = colleague.members(run_id)
                    _same(theirs, one.members())
            equal("what refresh gave after another process came and went", one.refresh(mine), True)

    @clause(*(f"RDZV-MEMBER-{number}" for number in (1, 2, 5, 13)))
    def test_RDZV_MEMBER_1_processes_undo_nothing_of_each_other(self, under_test: BackendUnderTest) -> None:
        """Two other processes and this one enter: each member has a place of its own; then more come, change and go."""
        one, other = two_members(under_test)
        under_test.needs_other_processes()
        with once_ready([Worker(under_test, "enter_on", entries=ENTRIES) for _ in range(PROCESSES)]) as workers:
            for worker in workers:
                worker.go()
            entered = [_entered(one) for _ in range(ENTRIES)]
            for worker in workers:
                entered += [(member, ahead) for member, ahead in worker.expect("entered")["entered"]]
            found = [each.id for each in other.members().members]
            for worker in workers:
                worker.go()
            done = [come_and_go(one, "this process")]
            done += [CameAndWent(**worker.expect("done")["done"]) for worker in workers]
            after = other.members()
        lost = [member for member, _ in entered if member not in found]
        if lost or len(found) != len(entered):
            raise Blamed(
                f"of {len(entered)} members that entered at once, in {PROCESSES + 1} processes, {len(lost)} are not "
                f"there, and members() gives {len(found)}",
                ("RDZV-MEMBER-1",),
            )
        aheads = [ahead for _, ahead in sorted(entered, key=lambda each: found.index(each[0]))]
        if None not in aheads and aheads != [*range(len(entered))]:
            raise Blamed(
                f"members entered at once in several processes; in entry order their leases say {aheads} were ahead",
                ("RDZV-MEMBER-13",),
            )
        judge_members(f"{PROCESSES + 1} processes", after, [CameAndWent(dict.fromkeys(found, "new"), []), *done])

    @clause("RDZV-MEMBER-10")
    def test_RDZV_MEMBER_10_an_observer_that_was_stalled_ends_nobody(self, under_test: BackendUnderTest) -> None:
        """Another process looks on, is stopped for longer than a ttl, and goes on: who has renewed stays."""
        one, other = two_members(under_test)
        under_test.needs_other_processes()
        ttl = under_test.paced(STALLED_TTL)
        with once_ready([Worker(under_test, "look_on")]) as (worker,):
            worker.go()
            worker.expect("looked")
            renewing = _Renewing(one, ttl)
            renewing.go_on(SEEN * ttl)
            worker.signal(signal.SIGSTOP)
            try:
                renewing.go_on(STALLED * ttl)
            finally:
                worker.signal(signal.SIGCONT)
            renewing.go_on(AFTER * ttl)
            found = [each.id for each in other.members().members]
            in_time = renewing.is_in_time()
        if in_time:  # else this process has stood still itself, which shows nothing
            told = "the members after another process that looks on had been stopped for longer than their ttl"
            equal(told, found, [lease.id for lease in renewing.leases])

    @clause("RDZV-MEMBER-1")
    def test_RDZV_MEMBER_1_processes_that_take_themselves_for_one_draw_no_id_twice(
        self, under_test: BackendUnderTest
    ) -> None:
        """Two processes of one number, on hosts of one name, begin at the same time, as in containers."""
        _, other = two_members(under_test)
        under_test.needs_other_processes()
        began = time.time()
        with once_ready([Worker(under_test, "enter_as_a_namesake", began=began) for _ in range(PROCESSES)]) as workers:
            for worker in workers:
                worker.go()
            ids = [member for worker in workers for member in worker.expect("done")["ids"]]
        _all_differ(ids, "in processes that have one process id and one host name, as in containers,")
        equal("how many members they are", other.count(), len(ids))

    @clause("RDZV-CONN-11")
    def test_RDZV_CONN_11_a_child_that_exits_ends_no_membership(self, under_test: BackendUnderTest) -> None:
        """A process forks, and the child ends in order, as it is: whoever entered in the parent is there."""
        two_members(under_test)
        under_test.needs_other_processes()
        told = in_another_process(under_test, "fork_and_exit")
        equal("the members of a process whose child has exited", told["found"], [told["member"]])
        equal("what refresh gave in a process whose child has exited", told["refreshed"], True)


def fork_and_exit(under_test: BackendUnderTest, say: Say) -> None:
    """Enter, let a child of this process exit, and say who is there."""
    warnings.simplefilter("ignore", DeprecationWarning)  # to fork with threads is just what is to be tested
    members = cast("SupportsMembership", under_test.open().backend)
    lease = members.enter(b"parent", TTL)
    say("ready")
    sys.stdin.readline()
    child = os.fork()
    if child == 0:
        signal.alarm(math.ceil(under_test.paced(EXIT_LIMIT)))
        sys.exit(0)
    os.waitpid(child, 0)
    found = [each.id for each in members.members().members]
    say("done", found=found, member=lease.id, refreshed=members.refresh(lease))


class _Renewing:
    """Two members that renew; `in_time` as long as no two renewals were half a ttl apart."""

    def __init__(self, backend: SupportsMembership, ttl: float) -> None:
        self._backend, self._ttl = backend, ttl
        self._last = time.monotonic()
        self.leases = [backend.enter(b"%d" % number, ttl) for number in range(2)]
        self.in_time = True

    def is_in_time(self) -> bool:
        """Whether it has renewed in time until now."""
        return self.in_time and time.monotonic() < self._last + self._ttl / 2

    def go_on(self, seconds: float) -> None:
        """Renew for so long."""
        ends = time.monotonic() + seconds
        while self.in_time and time.monotonic() < ends:
            began = time.monotonic()
            gave = [self._backend.refresh(lease) for lease in self.leases]
            self.in_time = self.is_in_time()
            self._last = began
            if self.in_time:
                equal("what refresh of a member in time gave", gave, [True, True])
            threading.Event().wait(min(RENEW_EVERY, self._ttl / 8))  # as a member does


def look_on(under_test: BackendUnderTest, say: Say) -> None:
    """Look at the members on and on, and wait for them."""
    members = cast("SupportsMembership", under_test.open().backend)
    say("ready")
    sys.stdin.readline()
    view = members.members()
    say("looked")
    while True:
        members.wait_members(view.version, 0.05)
        view = members.members()


def enter_on(under_test: BackendUnderTest, say: Say, entries: int) -> None:
    """Enter many times, and say the ids, and how many were ahead; then let others come, change and go."""
    members = cast("SupportsMembership", under_test.open().backend)
    members.count()
    say("ready")
    sys.stdin.readline()
    say("entered", entered=[_entered(members) for _ in range(entries)])
    sys.stdin.readline()
    say("done", done=come_and_go(members, f"process {os.getpid()}")._asdict())


def _all_differ(ids: list[str], where: str) -> None:
    if len({*ids}) != len(ids):
        told = f"{len(ids)} members that entered {where} have {len({*ids})} ids: each must have a new one"
        raise Blamed(told, ("RDZV-MEMBER-1",))


def _entered(members: SupportsMembership) -> tuple[str, int | None]:
    lease = members.enter(b"new", TTL)
    return lease.id, lease.ahead


def _sees(backend: SupportsMembership, when: str, expected: list[bytes], before: Any) -> None:
    equal(f"count() {when}", backend.count(), len(expected))
    equal(f"the payloads of first(9) {when}", [each.payload for each in backend.first(9).members], expected)
    view = backend.members()
    equal(f"the payloads {when}", [each.payload for each in view.members], expected)
    that(view.version != before, f"the version {when} is still {before!r}")
    equal(f"what wait_members with the version before gave {when}", backend.wait_members(before, 0.0), True)


def _same(theirs: dict[str, Any], view: MembersView) -> None:
    for what, found, here, number in (
        ("incarnation", theirs["incarnation"], view.incarnation, 20),
        ("version", theirs["version"], view.version, 19),
        ("members' ids", theirs["ids"], [each.id for each in view.members], 19),
    ):
        if found != here:
            told = f"at one time the {what} in another process is {found!r}, and here {here!r}"
            raise Blamed(told, (f"RDZV-MEMBER-{number}",))
