"""RDZV-CAS-5, 7 and 15: tokens after many writes, in forks, nearly right ones, and in deletions."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import gc
import os
import time
from collections import Counter
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, Unsupported, Untested, equal, raises, shown, that
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.threads import race
from rdzv_conformance.suite.malformed import MALFORMED, nearly
from rdzv_conformance.suite.processes import Worker, decode, in_another_process, once_ready
from rdzv_core import RendezvousStateError, StateSnapshot, SupportsDelete, Token, create_backend

MOST_WRITES = (70_000, 5_000)
"""Of one register more than 16 bits can count, and of another one at the same time."""
WRITE_SECONDS = 2.0
LEAST_WRITES = 20
LEAST_WIDTH = 2**48
MOST_INSTANCES = 100
LEAST_INSTANCES = 10
INSTANCE_SECONDS = 0.3
NAMESAKES = 2


class Tokens:
    """No two writes have one token, and nothing but the whole of it is good enough."""

    @clause("RDZV-CAS-5")
    def test_RDZV_CAS_5_a_token_that_is_nearly_right_changes_nothing(self, under_test: BackendUnderTest) -> None:
        """A real token of which one part is another, or is missing, or comes on top, is refused like a stale one."""
        register = under_test.open()
        current = StateSnapshot(b"there", register.write(b"there"))
        for token in nearly(current.token):
            register.refuses(b"new", token, current)

    @clause("RDZV-CAS-7")
    def test_RDZV_CAS_7_of_many_writes_no_two_have_one_token(self, under_test: BackendUnderTest) -> None:
        """Two instances write to a register each for two seconds, one 70,000 times at most: no token is seen twice."""
        registers = [under_test.open(f"{under_test.run_id}-{number}") for number in range(len(MOST_WRITES))]

        def write(number: int) -> list[Any]:
            return _write_on(under_test, registers[number], MOST_WRITES[number])

        given = race(len(registers), write, under_test.target.pace)
        for tokens in given:
            _all_differ(tokens, "one register")
            _wide_enough(tokens)
        if len({type(token) for tokens in given for token in tokens}) == 1:
            _all_differ([token for tokens in given for token in tokens], f"{len(registers)} registers")

    @clause("RDZV-CAS-7")
    def test_RDZV_CAS_7_parent_and_child_of_a_fork_draw_no_token_twice(self, under_test: BackendUnderTest) -> None:
        """Two children and their parent write in turn, with the parent's instance and with new ones."""
        under_test.needs_other_processes()
        if not hasattr(os, "fork"):
            raise Unsupported("this system has no fork")
        answer = in_another_process(under_test, "fork_and_write")
        twice = [token for token, times in Counter(answer["tokens"]).most_common(1) if times > 1]
        that(
            not twice,
            f"parent and children of a fork both wrote with the token {twice and twice[0]}: each write must have a "
            "token of its own (a generator of random numbers is copied by a fork)",
        )

    @clause("RDZV-CAS-7")
    def test_RDZV_CAS_7_instances_that_come_and_go_draw_no_token_twice(self, under_test: BackendUnderTest) -> None:
        """Each writes once and is gone from memory before the next comes, perhaps at its place."""
        tokens: list[Any] = []
        ends = time.monotonic() + INSTANCE_SECONDS
        while len(tokens) < LEAST_INSTANCES or (len(tokens) < MOST_INSTANCES and time.monotonic() < ends):
            what = "creating, writing with and closing an instance"
            last = tokens[-1] if tokens else None
            tokens.append(under_test.calls.run(what, 3 * under_test.target.patience, _write_once, under_test, last))
            gc.collect(0)
        under_test.open()  # for the test's own clean-up
        _all_differ(tokens, "instances that came and went one after the other")

    @clause("RDZV-CAS-7")
    def test_RDZV_CAS_7_processes_that_take_themselves_for_one_draw_no_token_twice(
        self, under_test: BackendUnderTest
    ) -> None:
        """Two processes of one number, on hosts of one name, begin at the same time, as in containers."""
        under_test.needs_other_processes()
        began = int(time.time()) + 0.05  # both are within the second in which they begin
        runs = [f"{under_test.run_id}-{number}" for number in range(NAMESAKES)]
        for run in runs:
            under_test.open(run)  # for the test's own clean-up
        with once_ready(
            [Worker(under_test, "write_as_a_namesake", run_id=run, began=began) for run in runs]
        ) as workers:
            for worker in workers:
                worker.go()
            tokens = [decode(token) for worker in workers for token in worker.expect("done")["tokens"]]
        _all_differ(tokens, "two processes that have one process id and one host name, as in containers,")

    @clause("RDZV-CAS-15")
    def test_RDZV_CAS_15_only_the_current_token_deletes(self, under_test: BackendUnderTest) -> None:
        """A stale, foreign, malformed or nearly right token deletes nothing and gives False."""
        register = under_test.open()
        under_test.needs(SupportsDelete, register)
        other = under_test.open(f"{under_test.run_id}-other").write(b"there")
        stale = register.write(b"there")
        current = StateSnapshot(b"there", register.write(b"there", stale))
        for token in (stale, other, *nearly(current.token), *MALFORMED):
            if token is not None and (type(token) is not type(current.token) or token != current.token):
                equal(f"what delete_state({shown(token)}) gave", register.delete_state(token), False)
                register.holds(*current, f"after delete_state({shown(token)}), which is not the current token")
        equal("what delete_state(current token) gave", register.delete_state(current.token), True)
        register.is_empty("after delete_state(current token)")
        for gone in (current.token, None):
            equal("what delete_state gave where there is nothing", register.delete_state(gone), False)

    @clause("RDZV-CAS-15")
    def test_RDZV_CAS_15_corrupt_storage_is_deleted_by_none_alone(self, under_test: BackendUnderTest) -> None:
        """No token is that of what cannot be read; without one it is deleted, and the register is as good as new."""
        register = under_test.open()
        under_test.needs(SupportsDelete, register)
        if under_test.helpers.corrupt is None:
            raise Untested("needs the helper corrupt(params), which corrupts what is stored")
        last = register.write(b"good")
        under_test.helpers.corrupt(under_test.parameters())
        for token in ("invalid", b"invalid", last):
            what = f"delete_state({shown(token)}) of corrupt storage"
            try:
                equal(f"what {what} gave", register.delete_state(token), False)
            except RendezvousStateError:
                pass
            raises(RendezvousStateError, f"get_state() after {what}", register.get_state)
        equal("what delete_state() of corrupt storage gave", register.delete_state(), True)
        register.is_empty("after delete_state() of corrupt storage")
        register.write(b"new")

    @clause("RDZV-CAS-15")
    def test_RDZV_CAS_15_of_several_who_delete_one_is_told_so(self, under_test: BackendUnderTest) -> None:
        """Instances delete at the same time, with the token and without: one is told True, the others False."""
        instances = [under_test.open() for _ in range(4)]
        under_test.needs(SupportsDelete, instances[0])
        for turn in range(10):
            token = instances[0].write(b"%d" % turn)
            used = (token, None)[turn % 2]
            told = race(4, lambda number, used=used: instances[number].delete_state(used), under_test.target.pace)  # type: ignore[misc]
            equal(f"how many were told that they deleted what was there, of 4 ({shown(used)})", told.count(True), 1)


def _write_once(under_test: BackendUnderTest, token: Token | None) -> Token:
    """Write with an instance that nobody else keeps."""
    backend = create_backend(under_test.parameters())
    try:
        answer = backend.set_state(b"same", token)
    finally:
        backend.close()
    if answer is None or not answer[2]:
        raise ClauseFailed(f"a write with the current token gave {shown(answer)}")
    return answer[1]


def _write_on(under_test: BackendUnderTest, register: Register, most: int) -> list[Any]:
    """Write as often as time allows; the calls are watched as one, for each would take longer to be watched."""

    def write() -> list[Any]:
        tokens: list[Any] = []
        ends = time.monotonic() + WRITE_SECONDS
        token = None
        while len(tokens) < LEAST_WRITES or (len(tokens) < most and time.monotonic() < ends):
            answer = register.backend.set_state(b"same", token)
            if answer is None or not answer[2]:
                raise ClauseFailed(f"write {len(tokens) + 1} with the current token gave {shown(answer)}")
            token = answer[1]
            tokens.append(token)
        return tokens

    limit = WRITE_SECONDS + LEAST_WRITES * under_test.target.patience
    answer: list[Any] = register.call("many writes, one after the other", write, limit=limit)
    return answer


def _wide_enough(tokens: list[Any]) -> None:
    """Fail the clause if tokens are neither counted nor drawn from so many that two never come to be alike."""
    for order in ("big", "little"):
        numbers = [_number(token, order) for token in tokens]
        if any(number is None for number in numbers) or numbers == sorted(numbers):  # type: ignore[type-var]
            return
    width = max(numbers) - min(numbers)  # type: ignore[type-var, operator]
    that(
        width >= LEAST_WIDTH,
        f"tokens are drawn at random, and all {len(tokens)} are within 2^{width.bit_length()}, as {shown(tokens[0])}: "
        "of so few two are alike some day, and each write must have a token of its own. Draw 64 bits at least",
    )


def _number(token: Any, order: Any) -> int | None:
    if isinstance(token, bytes):
        return int.from_bytes(token, order)
    if isinstance(token, str):
        try:
            return int(token.replace("-", ""), 16)
        except ValueError:
            return None
    return token if isinstance(token, int) else None


def _all_differ(tokens: list[Any], where: str) -> None:
    if len({*tokens}) == len(tokens):
        return
    token, times = Counter(tokens).most_common(1)[0]
    raise ClauseFailed(
        f"{len(tokens)} writes of {where} had {len({*tokens})} tokens, {shown(token)} was that of {times}: each write "
        "must have a token of its own"
    )
