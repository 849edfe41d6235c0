"""RDZV-CAS-1 to 6 and 10: compare and set."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import equal, shown, that
from rdzv_conformance.harness.register import Register
from rdzv_conformance.suite.malformed import MALFORMED
from rdzv_conformance.suite.processes import in_another_process
from rdzv_core import StateSnapshot, SupportsDelete


class CompareAndSet:
    """A write is done if the token is right, and is otherwise as if it had not been asked for."""

    @clause("RDZV-CAS-1")
    def test_RDZV_CAS_1_without_a_token_an_absent_state_is_created(self, under_test: BackendUnderTest) -> None:
        """The first write without a token is done, and its token is the one that is read."""
        register = under_test.open()
        token = register.write(b"first")
        register.holds(b"first", token, "after it was created")

    @clause("RDZV-CAS-2")
    def test_RDZV_CAS_2_without_a_token_a_present_state_is_kept(self, under_test: BackendUnderTest) -> None:
        """A write without a token, where there is a state, gives that state and changes nothing."""
        register = under_test.open()
        current = StateSnapshot(b"first", register.write(b"first"))
        register.refuses(b"second", None, current)
        register.refuses(b"first", None, current)
        under_test.open().refuses(b"second", None, current)

    @clause("RDZV-CAS-3")
    def test_RDZV_CAS_3_with_the_current_token_the_state_is_updated(self, under_test: BackendUnderTest) -> None:
        """With the current token the write is done, and it has a new token."""
        register = under_test.open()
        first = register.write(b"first")
        second = register.write(b"second", first)
        that(second != first, f"an update kept the token {shown(first)}: it must have a new one")
        register.holds(b"second", second, "after an update")

    @clause("RDZV-CAS-4")
    def test_RDZV_CAS_4_a_stale_token_changes_nothing(self, under_test: BackendUnderTest) -> None:
        """A token that has been used gives the current state, again and again, from any instance."""
        register = under_test.open()
        tokens = [register.write(b"0")]
        for number in range(1, 4):
            tokens.append(register.write(b"%d" % number, tokens[-1]))
        current = StateSnapshot(b"3", tokens[-1])
        for stale in tokens[:-1]:
            register.refuses(b"late", stale, current)
            under_test.open().refuses(b"late", stale, current)

    @clause("RDZV-CAS-5")
    def test_RDZV_CAS_5_a_malformed_token_changes_nothing(self, under_test: BackendUnderTest) -> None:
        """Anything that is no token of this register, of whatever type, is refused like a stale one."""
        register = under_test.open()
        current = StateSnapshot(b"there", register.write(b"there"))
        for token in MALFORMED:
            if token != current.token:
                register.refuses(b"new", token, current)

    @clause("RDZV-CAS-5")
    def test_RDZV_CAS_5_a_token_of_another_register_changes_nothing(self, under_test: BackendUnderTest) -> None:
        """A token of another run, or of a sibling, is refused like a stale one."""
        register = under_test.open()
        current = StateSnapshot(b"there", register.write(b"there"))
        for other in (under_test.open(f"{under_test.run_id}-other"), register.sibling("other")):
            foreign = other.write(b"there")
            that(
                foreign != current.token,
                f"the first write of another register (run and purpose {shown(other.pair)}) was given the token "
                f"{shown(foreign)}, which is the current one here: no two registers may have one token, so a counter "
                "for each register is not enough",
            )
            register.refuses(b"new", foreign, current)

    @clause("RDZV-CAS-6")
    def test_RDZV_CAS_6_a_token_where_there_is_no_state_writes_nothing(self, under_test: BackendUnderTest) -> None:
        """With any token but None, where there is no state, set_state gives None and creates nothing."""
        register = under_test.open()
        foreign = under_test.open(f"{under_test.run_id}-other").write(b"there")
        for token in (*MALFORMED, foreign):
            answer = register.set_state(b"new", token)
            equal(f"what set_state(b'new', {shown(token)}) gave where there is no state", answer, None)
            register.is_empty(f"after set_state(b'new', {shown(token)}) where there was no state")

    @clause("RDZV-CAS-6")
    def test_RDZV_CAS_6_the_token_of_a_state_that_vanished_writes_nothing(self, under_test: BackendUnderTest) -> None:
        """Where the state has vanished, its last token gives None: not the state that the caller remembers."""
        register = under_test.open()
        under_test.needs(SupportsDelete, register)
        token = register.write(b"there")
        register.delete_state()
        answer = register.set_state(b"new", token)
        equal("what set_state gave for the last token of a state that has vanished", answer, None)
        register.is_empty("after set_state with the last token of a state that has vanished")

    @clause("RDZV-CAS-10")
    def test_RDZV_CAS_10_tokens_are_values(self, under_test: BackendUnderTest) -> None:
        """A token is hashable and immutable; read twice without a write in between it is equal."""
        register, other = under_test.open(), under_test.open()
        token = register.write(b"there")
        that(
            isinstance(token, (bytes, int, str)),
            f"the token {shown(token)} is of type {type(token).__name__}: it must be bytes, int or str",
        )
        for reader in (register, other, register):
            reader.holds(b"there", token, "read again")
        equal("the hash of one token read twice", hash(_token_of(other)), hash(token))
        other.write(b"passed on", token)

    @clause("RDZV-CAS-10")
    def test_RDZV_CAS_10_a_token_works_in_another_process(self, under_test: BackendUnderTest) -> None:
        """A token that was passed to another process works there."""
        under_test.needs_other_processes()
        register = under_test.open()
        token = register.write(b"there")
        answer = in_another_process(under_test, "write", state=b"from the other", token=token)
        equal("has_set of a write in another process with the token that this one gave", answer["has_set"], True)
        found = register.get_state()
        equal("the state after a write in another process", found and found.state, b"from the other")


def _token_of(register: Register) -> object:
    found = register.get_state()
    return found and found.token
