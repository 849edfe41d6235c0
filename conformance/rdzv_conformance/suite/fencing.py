"""RDZV-CAS-7 to 9: every write has a token of its own, and one winner."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

from functools import partial

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import equal, shown, that
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.threads import race
from rdzv_core import SetStateResult, StateSnapshot, SupportsDelete, Token


class Fencing:
    """A token stands for a write, never for a value."""

    @clause("RDZV-CAS-7")
    def test_RDZV_CAS_7_a_value_that_returns_does_not_revive_its_token(self, under_test: BackendUnderTest) -> None:
        """After A, B, A the first A's token is stale."""
        register = under_test.open()
        first = register.write(b"A")
        second = register.write(b"B", first)
        third = register.write(b"A", second)
        that(
            third != first, f"A, B, A has the token of the first A again, {shown(first)}: each write must have its own"
        )
        register.refuses(b"C", first, StateSnapshot(b"A", third))
        under_test.open().refuses(b"C", first, StateSnapshot(b"A", third))

    @clause("RDZV-CAS-7")
    def test_RDZV_CAS_7_writing_equal_bytes_again_takes_a_new_token(self, under_test: BackendUnderTest) -> None:
        """Ten writes of one value, by two instances in turn, have ten tokens."""
        writers = [under_test.open(), under_test.open()]
        tokens = [writers[0].write(b"same")]
        for turn in range(1, 10):
            tokens.append(writers[turn % 2].write(b"same", tokens[-1]))
        equal("the number of different tokens of ten writes of one value", len(set(tokens)), 10)
        writers[0].refuses(b"same", tokens[-2], StateSnapshot(b"same", tokens[-1]))

    @clause("RDZV-CAS-8")
    def test_RDZV_CAS_8_the_token_of_a_deleted_state_stays_dead(self, under_test: BackendUnderTest) -> None:
        """A deleted state's token is refused where there is nothing, and where the state was created again."""
        register = under_test.open()
        under_test.needs(SupportsDelete, register)
        dead = register.write(b"same")
        equal("what delete_state(current token) gave", register.delete_state(dead), True)
        equal("what set_state with a deleted state's token gave", register.set_state(b"new", dead), None)
        register.is_empty("after a deletion")
        alive = register.write(b"same")
        that(alive != dead, f"a state that was created again has the deleted one's token {shown(dead)}")
        register.refuses(b"new", dead, StateSnapshot(b"same", alive))
        under_test.open().refuses(b"new", dead, StateSnapshot(b"same", alive))

    @clause("RDZV-CAS-9")
    def test_RDZV_CAS_9_of_two_writers_of_equal_bytes_the_second_is_refused(self, under_test: BackendUnderTest) -> None:
        """A writer of what is there already, with a used token, is not told that it has written."""
        one, other = under_test.open(), under_test.open()
        token = one.write(b"same")
        other.refuses(b"same", None, StateSnapshot(b"same", token))
        newer = one.write(b"next", token)
        other.refuses(b"next", token, StateSnapshot(b"next", newer))

    @clause("RDZV-CAS-9")
    def test_RDZV_CAS_9_of_racing_writers_of_equal_bytes_one_is_told_true(self, under_test: BackendUnderTest) -> None:
        """Four instances write the same bytes with the same token at the same time: one of them did it."""
        instances = [under_test.open() for _ in range(4)]
        token = None
        for turn in range(20):
            state = b"same %d" % (turn // 2)
            answers = race(4, partial(_write, instances, state, token), under_test.target.pace)
            winners = [answer for answer in answers if answer is not None and answer.has_set]
            equal(f"the number of writers told True in race {turn + 1}", len(winners), 1)
            token = winners[0].token
            instances[0].holds(state, token, "after a race")


def _write(instances: list[Register], state: bytes, token: Token | None, number: int) -> SetStateResult | None:
    return instances[number].set_state(state, token)
