"""RDZV-RUN: every run, and every purpose, is a register of its own."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import equal, shown, that
from rdzv_conformance.harness.register import Register
from rdzv_core import RendezvousParameters, StateSnapshot, SupportsDelete, Token, register_key

MARK = b"written by rdzv-conformance: "


class Isolation:
    """No run meets another, however it is named."""

    @clause("RDZV-RUN-1")
    def test_RDZV_RUN_1_runs_do_not_meet(self, under_test: BackendUnderTest) -> None:
        """Two runs write, update and read each their own."""
        one, other = (under_test.open(f"{under_test.run_id}-1"), under_test.open(f"{under_test.run_id}-2"))
        token = one.write(b"one")
        other.is_empty("of a run after another run was written")
        theirs = other.write(b"other")
        token = one.write(b"one again", token)
        other.holds(b"other", theirs, "of a run after another run was updated")
        one.holds(b"one again", token, "of a run after another run was written")

    @clause("RDZV-RUN-1", "RDZV-RUN-3")
    def test_RDZV_RUN_1_what_is_done_to_one_is_done_to_no_other(self, under_test: BackendUnderTest) -> None:
        """An update, and a deletion, of a register whose name begins others, or is a pattern that fits them."""
        base = under_test.open()
        changed = [base, *(under_test.open(under_test.run_id + tail) for tail in _PATTERNS)]
        others = [under_test.open(under_test.run_id + tail) for tail in _FITTING]
        others += [base.sibling(purpose) for purpose in ("a", "a_b", "aXb")]
        kept = [(each, each.write(b"kept")) for each in others]
        tokens = [each.write(b"updated", each.write(b"kept")) for each in changed]
        _all_kept(kept, "an update")
        for each, token in zip(changed, tokens, strict=True):
            each.holds(b"updated", token, "after others were updated")
        if isinstance(base.backend, SupportsDelete):
            for number, (each, token) in enumerate(zip(changed, tokens, strict=True)):
                equal("what delete_state gave", each.delete_state(None if number % 2 else token), True)
                for left, its_own in [*zip(changed, tokens, strict=True)][number + 1 :]:
                    left.holds(b"updated", its_own, f"after a deletion of run and purpose {shown(each.pair)}")
            _all_kept(kept, "a deletion")

    @clause("RDZV-RUN-3")
    def test_RDZV_RUN_3_a_sibling_of_a_sibling_is_one_of_the_run(self, under_test: BackendUnderTest) -> None:
        """It is the register for its own purpose, whoever made it, and not one of both; the empty one is the run's."""
        register = under_test.open()
        direct = register.sibling("b")
        token = direct.write(b"direct")
        register.sibling("a").sibling("b").holds(b"direct", token, "of a sibling's sibling")
        register.sibling("a").is_empty("of the sibling between")
        own = register.write(b"the run's own")
        register.sibling("").holds(b"the run's own", own, "of the sibling for the empty purpose")
        direct.sibling("").holds(b"the run's own", own, "of a sibling's sibling for the empty purpose")

    @clause("RDZV-RUN-2")
    def test_RDZV_RUN_2_a_run_may_be_named_with_dots_and_slashes_alone(self, under_test: BackendUnderTest) -> None:
        """Run ids that have a meaning of their own as a path are registers like others."""
        names = (".", "..", "/", "//", "../..", " ", "\0", "\n", "*", "%", "-")
        registers = {run_id: under_test.open(run_id) for run_id in names}
        tag = MARK + under_test.tag.encode()
        mine: dict[str, bytes] = {}
        for run_id, register in registers.items():
            # These names cannot be made unique: a state that somebody else keeps there is not to be touched.
            found = register.get_state()
            if found is None or found.state.startswith(MARK):
                mine[run_id] = tag + run_id.encode()
                register.write(mine[run_id], found and found.token)
        for run_id, state in mine.items():
            found = registers[run_id].get_state()
            equal(f"the state of run {run_id!r}", found and found.state, state)
            if isinstance(registers[run_id].backend, SupportsDelete):
                registers[run_id].delete_state(found and found.token)

    @clause("RDZV-RUN-3")
    def test_RDZV_RUN_3_a_sibling_is_a_register_of_its_own(self, under_test: BackendUnderTest) -> None:
        """Siblings of different purposes, and the run's own register, do not meet."""
        register = under_test.open()
        siblings = [register.sibling(purpose) for purpose in ("a", "b", "A", "a/b", "a.b", "ä", "x" * 200)]
        token = register.write(b"the run's own")
        for sibling in siblings:
            sibling.is_empty("of a sibling after the run's own register was written")
        tokens = [sibling.write(b"%d" % number) for number, sibling in enumerate(siblings)]
        for number, sibling in enumerate(siblings):
            sibling.holds(b"%d" % number, tokens[number], "of a sibling after the others were written")
        register.holds(b"the run's own", token, "of the run after its siblings were written")

    @clause("RDZV-RUN-3")
    def test_RDZV_RUN_3_siblings_of_one_purpose_share_a_register(self, under_test: BackendUnderTest) -> None:
        """Two instances' siblings of one purpose are one register, with all that belongs to one."""
        one, other = under_test.open().sibling("shared"), under_test.open().sibling("shared")
        first = one.write(b"first")
        other.holds(b"first", first, "in the other instance's sibling")
        second = other.write(b"second", first)
        one.refuses(b"late", first, StateSnapshot(b"second", second))
        one.refuses(b"late", None, StateSnapshot(b"second", second))
        equal("what a sibling says its name is", one.backend.name, under_test.open().backend.name)
        under_test.open(f"{under_test.run_id}-other").sibling("shared").is_empty("of another run's sibling")

    @clause("RDZV-RUN-4")
    def test_RDZV_RUN_4_no_two_pairs_of_run_and_purpose_meet(self, under_test: BackendUnderTest) -> None:
        """Run ids and purposes that give the same text when put together, or that spell a key, are kept apart."""
        pairs = _look_alikes(under_test.run_id)
        registers: dict[tuple[str, str], Register] = {}
        for run_id, purpose in pairs:
            params: RendezvousParameters = under_test.parameters(run_id)
            registers[run_id, purpose] = under_test.open_with(params.for_purpose(purpose) if purpose else params)
        for pair, register in registers.items():
            register.is_empty(f"of the new {pair!r}")
            register.write(repr(pair).encode())
        for pair, register in registers.items():
            found = register.get_state()
            equal(f"the state of {pair!r}", found and found.state, repr(pair).encode())
        that(len(registers) == len(pairs), "the suite's pairs are not all different")


_PATTERNS = ("a_b", "a%", "a*b", "a?b", "a.b", "a[X]b")
_FITTING = ("aXb", "aXXb", "AXB", "A_B", "a", "-2", "2", "/a", ".a", ":a", "a.bc")


def _all_kept(kept: list[tuple[Register, Token]], after: str) -> None:
    for register, token in kept:
        register.holds(b"kept", token, f"of run and purpose {shown(register.pair)} after {after} of another register")


def _look_alikes(run_id: str) -> list[tuple[str, str]]:
    pairs = [
        *(
            (run_id, ""),
            (run_id, "a"),
            (f"{run_id}a", ""),
            (run_id, "a/b"),
            (f"{run_id}/a", "b"),
            (f"{run_id}/a/b", ""),
        ),
        *((run_id, "a.b"), (f"{run_id}.a", "b"), (f"{run_id}.a.b", ""), (f"{run_id}:a", ""), (f"{run_id}\0a", "")),
        *((run_id, "0/MASTER_ADDR"), (f"{run_id}.0/MASTER_ADDR", ""), (f"{run_id}_a", ""), (f"{run_id}-a", "")),
    ]
    return [*pairs, *((register_key(*pair), "") for pair in pairs)]
