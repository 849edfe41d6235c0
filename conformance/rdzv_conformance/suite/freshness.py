"""RDZV-STATE-12: what one process has written another one reads, however long they rested in between."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import threading
from collections.abc import Callable

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, shown
from rdzv_conformance.suite.colleague import Colleague
from rdzv_core import StateSnapshot, SupportsDelete

PAUSES = (0.0, 0.0, 0.005, 0.02, 0.06, 0.0, 0.15, 0.3, 0.6)
"""Seconds between two writes, none after all: what a cache, a poll or a replica keeps is kept for some such time."""

SIZES = (1, 9000, 1)
"""How often a state repeats its number: what is large may be kept where what is small is not."""


class Freshness:
    """A read that begins after a write was acknowledged gives that write, or a later one."""

    @clause("RDZV-STATE-12")
    def test_RDZV_STATE_12_another_process_reads_what_was_acknowledged(self, under_test: BackendUnderTest) -> None:
        """It has read just before, or a while ago, or was refused: now it reads what this process has written."""
        under_test.needs_other_processes()
        register = under_test.open()
        with Colleague(under_test) as other:
            token = None
            _equal("before the first write", other.get_state(), None)
            for turn, pause in enumerate(PAUSES):
                _rest(pause)
                state = (b"%d" % turn) * SIZES[turn % len(SIZES)]
                token = register.write(state, token)
                _rest(pause if turn % 2 else 0.0)
                looks: list[Callable[[], object]] = [lambda: other.get_state(), lambda: _refused(other)]
                for look, where in zip(looks, ("there", "there by a refused write"), strict=True):
                    _equal(f"{where}, {pause:g} s after its last call", look(), StateSnapshot(state, token))
                _equal("in a new instance there", other.get_state(fresh=True), StateSnapshot(state, token))
                token = register.write(state, token)
                for look in (
                    looks[1],
                    looks[0],
                    looks[1],
                ):  # what was read last is old: who is refused first is told what is there
                    _equal("there by a refused write, or after it", look(), StateSnapshot(state, token))
            if isinstance(register.backend, SupportsDelete):
                register.delete_state()
                _equal("there after a deletion", other.get_state(), None)
                _equal("there after a deletion, again,", other.get_state(), None)
                token = register.write(b"anew")
                _equal("there after it was created again", other.get_state(), StateSnapshot(b"anew", token))

    @clause("RDZV-STATE-12")
    def test_RDZV_STATE_12_another_process_reads_what_was_acknowledged_of_a_sibling(
        self, under_test: BackendUnderTest
    ) -> None:
        """A register for a purpose is no other than that of the run: there is nothing of it to keep either."""
        under_test.needs_other_processes()
        register, token = under_test.open().sibling("fresh"), None
        with Colleague(under_test) as other:
            _equal("of a sibling before the first write", other.get_state(purpose="fresh"), None)
            for turn in range(4):
                state = b"%d" % turn
                token = register.write(state, token)
                _equal("of a sibling there", other.get_state(purpose="fresh"), StateSnapshot(state, token))

    @clause("RDZV-STATE-12")
    def test_RDZV_STATE_12_this_process_reads_what_another_one_wrote(self, under_test: BackendUnderTest) -> None:
        """The other way round, for two instances that read and have been refused here."""
        under_test.needs_other_processes()
        register, second = under_test.open(), under_test.open()
        with Colleague(under_test) as other:
            token = None
            for turn, pause in enumerate(PAUSES):
                for reader in (register, second):
                    reader.get_state()
                _rest(pause)
                state = b"%d" % turn
                answer = other.set_state(state, token)
                if answer is None or not answer.has_set:
                    raise ClauseFailed(f"a write of another process with the current token gave {shown(answer)}")
                token = answer.token
                for reader in (second, register):
                    _equal("here", reader.get_state(), StateSnapshot(state, token), "another process's")


def _refused(other: Colleague) -> StateSnapshot | None:
    answer = other.set_state(b"late", "invalid")
    return answer and StateSnapshot(*answer[:2])


def _rest(seconds: float) -> None:
    threading.Event().wait(seconds)  # what is old by then is not to be given: there is nothing to await


def _equal(where: str, found: object, expected: object, whose: str = "this process's") -> None:
    if found != expected:
        raise ClauseFailed(
            f"after {whose} write was acknowledged what is read {where} is {shown(found)}: it must be {shown(expected)}"
        )
