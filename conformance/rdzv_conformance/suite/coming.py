"""RDZV-STATE-11: a state that comes, goes or is awaited is seen whole, under its own token, or not at all."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import threading
import time
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, shown
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.threads import Running
from rdzv_conformance.suite.whole import UNIT, check_whole, whole_state
from rdzv_core import StateSnapshot, SupportsDelete, SupportsWatch

SECONDS = 0.3
LEAST_WRITES = 12
STUCK = 60.0
A_MOMENT = 0.05

Seen = list[StateSnapshot]


class Coming:
    """However a state is seen, and whenever, it is one that somebody wrote."""

    @clause("RDZV-STATE-11")
    def test_RDZV_STATE_11_what_comes_and_goes_is_seen_whole(self, under_test: BackendUnderTest) -> None:
        """Large and small ones are created, replaced and deleted; who reads or waits sees them whole, or not there."""
        stop = threading.Event()
        register = under_test.open()
        token = register.write(whole_state(0))
        readers = [Running(_read_on, under_test, stop)]
        if isinstance(register.backend, SupportsWatch):
            readers.append(Running(_wait_on, under_test, stop))
        try:
            written = _come_and_go(register, token, readers)
        finally:
            stop.set()
        for reader in readers:
            for found in reader.result(under_test.paced(STUCK), "a reader of large states has not ended"):
                number = written.get(found.token)
                if number is not None and int(found.state[:UNIT]) != number:
                    raise ClauseFailed(
                        f"the state of write {int(found.state[:UNIT])} was seen under the token of write {number}, "
                        f"{shown(found.token)}: a state and its token must be of one write"
                    )


def _come_and_go(register: Register, token: Any, readers: list[Running[Seen]]) -> dict[Any, int]:
    """Write, two times each after a deletion and two times not; return the number of the write of each token."""
    ends = time.monotonic() + SECONDS
    tokens, number = {token: 0}, 0
    while (number < LEAST_WRITES or time.monotonic() < ends) and not any(each.ended(0) for each in readers):
        number += 1
        if number % 4 > 1 and isinstance(register.backend, SupportsDelete):
            register.delete_state(token)
            token = None
        token = register.write(whole_state(number), token)
        tokens[token] = number
    return tokens


def _read_on(under_test: BackendUnderTest, stop: threading.Event) -> Seen:
    register, seen = under_test.open(), []
    while not stop.is_set():
        found = register.get_state()
        if found is not None:
            check_whole(found.state, "get_state()")
            seen.append(StateSnapshot(found.state[:UNIT], found.token))
    return seen


def _wait_on(under_test: BackendUnderTest, stop: threading.Event) -> Seen:
    register, seen = under_test.open(), []
    token = None
    while not stop.is_set():
        _, found = register.wait_state(token, A_MOMENT)
        token = found and found.token
        if found is not None:
            check_whole(found.state, "wait_state()")
            seen.append(StateSnapshot(found.state[:UNIT], found.token))
    return seen
