"""RDZV-WATCH-5, MEMBER-7, STORE-9, SUBMIT-2 and 5: thousands of waits, begun in the very moment of the change."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Blamed, ClauseFailed, Untested, equal, that
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.submitted import Submitter
from rdzv_conformance.harness.threads import Running, frequent_switches
from rdzv_conformance.suite.lockstep import LOST_AFTER, MOST_TURNS, SECONDS, Lockstep
from rdzv_core import MemberLease, SupportsDelete, SupportsMembership, SupportsStore, SupportsWatch

TTL = 60.0
CHAIN = 20


class WakeUps:
    """No window between looking and listening is too small."""

    @clause("RDZV-WATCH-5")
    def test_RDZV_WATCH_5_no_wake_up_is_lost_in_thousands(self, under_test: BackendUnderTest) -> None:
        """Each write comes when the wait for it begins, a few instructions before or after."""
        register, writer = under_test.open(), under_test.open()
        under_test.needs(SupportsWatch, register)
        written: Any = writer.write(b"0")
        seen: Any = written

        def change(turn: int) -> None:
            nonlocal written
            # What a store announces with its content may be announced otherwise where that is empty, or large.
            written = _written(writer, (b"%d" % turn, b"", b"%09000d" % turn)[turn % 3], written)

        def wait(_: int) -> bool:
            nonlocal seen
            changed, found = register.backend.wait_state(seen, under_test.paced(TTL))  # type: ignore[attr-defined]
            seen = found[1] if found else None
            return bool(changed)

        _in_lockstep(under_test, "a write", "wait_state(current token)", change, wait)

    @clause("RDZV-WATCH-5")
    def test_RDZV_WATCH_5_no_creation_or_deletion_is_lost_in_hundreds(self, under_test: BackendUnderTest) -> None:
        """In turn a state is created and deleted when the wait for it begins, a few instructions before or after."""
        register, writer = under_test.open(), under_test.open()
        under_test.needs(SupportsWatch, register)
        under_test.needs(SupportsDelete, writer)
        written: Any = None
        seen: Any = None

        def change(turn: int) -> None:
            nonlocal written
            if turn % 2:
                written = _written(writer, b"%d" % turn, None)
            else:  # in turn whatever is there, and by its token
                token = written if turn % 4 else None
                that(writer.backend.delete_state(token), "delete_state() of what is there gave False")  # type: ignore[attr-defined]

        def wait(_: int) -> bool:
            nonlocal seen
            changed, found = register.backend.wait_state(seen, under_test.paced(TTL))  # type: ignore[attr-defined]
            seen = found[1] if found else None
            return bool(changed)

        _in_lockstep(under_test, "a creation or a deletion", "wait_state(current token or None)", change, wait, 0.25)

    @clause("RDZV-MEMBER-7")
    def test_RDZV_MEMBER_7_no_change_is_missed_in_thousands(self, under_test: BackendUnderTest) -> None:
        """By turns an update, an entry and a leave come when the wait for it begins, a few instructions apart."""
        one, other = under_test.open(), under_test.open()
        under_test.needs(SupportsMembership, one)
        members, waiter = one.backend, other.backend
        assert isinstance(members, SupportsMembership)
        assert isinstance(waiter, SupportsMembership)
        lease = members.enter(b"", TTL * under_test.target.pace)
        before = seen = waiter.members().version
        passing: list[MemberLease] = []

        def change(turn: int) -> None:
            if turn % 3 == 1:
                that(members.update(lease, b"%d" % turn), "update of a member in time gave False")
            elif turn % 3 == 2:
                passing.append(members.enter(b"passes", TTL * under_test.target.pace))
            else:
                members.leave(passing.pop())
            if turn == 1 and members.members().version == before:  # the cause, where nobody is to be woken
                raise Blamed("an update with another payload left the version as it was", ("RDZV-MEMBER-6",))

        def wait(_: int) -> bool:
            nonlocal seen
            changed = waiter.wait_members(seen, under_test.paced(TTL))
            seen = waiter.members().version
            return changed

        _in_lockstep(under_test, "an update, an entry or a leave", "wait_members(current version)", change, wait)

    @clause("RDZV-STORE-9")
    def test_RDZV_STORE_9_no_wake_up_is_lost_in_thousands(self, under_test: BackendUnderTest) -> None:
        """Each key is set when the wait for it begins, a few instructions before or after."""
        one, other = under_test.open(), under_test.open()
        under_test.needs(SupportsStore, one)
        setter, getter = (each.backend.store("thousands") for each in (one, other))  # type: ignore[attr-defined]
        ways = {
            "set": lambda key, turn: setter.set(key, b"%d" % turn),
            "multi_set": lambda key, turn: setter.multi_set({"another": b"", key: b"%d" % turn}),
            "compare_set": lambda key, turn: setter.compare_set(key, None, b"%d" % turn),
            "add": lambda key, turn: setter.add(key, turn),
        }
        limit = under_test.paced(TTL)
        waits = {
            "get": lambda key: getter.get(key, limit),
            "wait": lambda key: getter.wait([key], limit) or getter.get(key, limit),
            "multi_get": lambda key: getter.multi_get([key], limit)[0],
        }
        # Drawn at random, or each would always meet the same lines of the other.
        drawn = [
            (under_test.random.choice([*ways]), under_test.random.choice([*waits])) for _ in range(2 * MOST_TURNS + 2)
        ]

        def change(turn: int) -> None:
            ways[drawn[turn][0]](f"key-{turn % 50}", turn)

        def wait(turn: int) -> bool:
            key = f"key-{(turn + 1) % 50}"
            found = waits[drawn[turn + 1][1]](key)
            setter.delete_key(key)
            return bool(found == b"%d" % (turn + 1))

        _in_lockstep(under_test, "a set, multi_set, compare_set or add", "get, multi_get or wait", change, wait)

    @clause("RDZV-SUBMIT-2")
    def test_RDZV_SUBMIT_2_no_submitted_wait_is_lost_in_thousands(self, under_test: BackendUnderTest) -> None:
        """Each write comes when the submitted wait for it begins: done is called, every time."""
        register, writer = under_test.open(), under_test.open()
        at = Submitter(under_test, register.backend, "wait_state")
        written: Any = writer.write(b"0")
        seen: Any = written
        ends: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()

        def change(turn: int) -> None:
            nonlocal written
            written = _written(writer, b"%d" % turn, written)

        def wait(_: int) -> bool:
            nonlocal seen
            arguments = (seen, under_test.paced(TTL))
            at.target.submit("wait_state", arguments, lambda result, error: ends.put((result, error)))
            result, error = ends.get(timeout=under_test.paced(TTL))
            if error is not None:
                raise error
            seen = result[1][1]
            return bool(result[0])

        _in_lockstep(under_test, "a write", "the submitted wait_state(current token)", change, wait, 2 * SECONDS)

    @clause("RDZV-SUBMIT-5")
    def test_RDZV_SUBMIT_5_calls_are_submitted_from_within_done(self, under_test: BackendUnderTest) -> None:
        """Each end submits the next call, on the same instance and on another one: all of the chain end."""
        register, other = under_test.open(), under_test.open()
        at, beside = Submitter(under_test, register.backend), Submitter(under_test, other.backend)
        calls: list[tuple[str, tuple[Any, ...]]] = [
            (method, arguments)
            for method, arguments in (
                ("get_state", ()),
                ("wait_state", (b"invalid", 0.05)),
                ("members", ()),
                ("wait_members", (None, 0.05)),
                ("count", ()),
            )
            if method in at.submittable
        ]
        if not calls:
            raise Untested("the suite does not know how to submit what is submittable there")
        token = register.write(b"there")
        ends: queue.SimpleQueue[tuple[int, Any, Exception | None]] = queue.SimpleQueue()

        def begin(number: int) -> None:
            method, arguments = calls[number % len(calls)]
            where = (at, beside)[number % 3 == 2]
            where.target.submit(method, arguments, lambda result, error: ended(number, result, error))

        def ended(number: int, result: Any, error: Exception | None) -> None:
            if number < CHAIN - 1:
                begin(number + 1)
            ends.put((number, result, error))

        begin(0)
        limit = under_test.paced(LOST_AFTER)
        seen: list[int] = []
        for _ in range(CHAIN):
            try:
                number, result, error = ends.get(timeout=limit)
            except queue.Empty:
                method = calls[len(seen) % len(calls)][0]
                raise ClauseFailed(
                    f"{method}, submitted from within done of the call before it, has not ended after {limit:.0f} s "
                    f"({len(seen)} of {CHAIN} such calls have)"
                ) from None
            seen.append(number)
            method = calls[number % len(calls)][0]
            that(error is None, f"{method}, submitted from within done, ended with {error!r}")
            if method == "get_state":
                equal(f"what {method}, submitted from within done, gave", result, (b"there", token))
        equal("the calls that have ended", sorted(seen), list(range(CHAIN)))


def _written(writer: Register, state: bytes, token: Any) -> Any:
    answer = writer.backend.set_state(state, token)
    if answer is None or not answer[2]:
        raise ClauseFailed(f"set_state with the current token gave {answer!r}")
    return answer[1]


def _in_lockstep(
    under_test: BackendUnderTest,
    what: str,
    waiting: str,
    change: Callable[[int], None],
    wait: Callable[[int], bool],
    seconds: float = SECONDS,
) -> None:
    """Let one thread wait and another one change, turn by turn; fail the clause if a wait goes on.

    `change(turn)` makes change number `turn`, from 1 on; `wait(turn)` waits for the one after `turn`. In the first half
    of the turns both begin at the same moment. In the second half the wait stands still at one of its lines, another
    one each time, until the change is made: a gap of a few instructions is hit for sure, where it is one of Python.
    """
    steps = Lockstep(under_test, what, waiting, change, wait, seconds)
    with frequent_switches():
        steps.running = Running(steps.wait_on)
        steps.go_through(steps.race)
        steps.go_through(steps.meet, last=True)
        steps.running.result(under_test.paced(LOST_AFTER), f"{waiting} has not returned after {what}")
