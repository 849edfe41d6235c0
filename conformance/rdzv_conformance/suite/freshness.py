"""RDZV-STATE-12: what one process has written another one reads, however long they rested in between."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import threading

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, shown
from rdzv_conformance.suite.colleague import Colleague
from rdzv_core import StateSnapshot, SupportsDelete

PAUSES = (0.0, 0.0, 0.005, 0.02, 0.06, 0.0, 0.15, 0.3, 0.6)
"""Seconds between two writes, none after all: what a cache, a poll or a replica keeps is kept for some such time."""


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
                state = b"%d" % turn
                token = register.write(state, token)
                _rest(pause if turn % 2 else 0.0)
                _equal(f"{pause:g} s after its last read", other.get_state(), StateSnapshot(state, token))
                _equal("in a new instance there", other.get_state(fresh=True), StateSnapshot(state, token))
                answer = other.set_state(b"late", "invalid")
                _equal("by a refused write", answer and StateSnapshot(*answer[:2]), StateSnapshot(state, token))
            if isinstance(register.backend, SupportsDelete):
                register.delete_state()
                _equal("after a deletion", other.get_state(), None)

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


def _rest(seconds: float) -> None:
    threading.Event().wait(seconds)  # what is old by then is not to be given: there is nothing to await


def _equal(where: str, found: object, expected: object, whose: str = "this process's") -> None:
    if found != expected:
        raise ClauseFailed(
            f"after {whose} write was acknowledged what is read {where} is {shown(found)}: it must be {shown(expected)}"
        )
