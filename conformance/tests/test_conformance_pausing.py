"""Pausing: what another thread does while a call stands at one of its lines comes before that line."""

from __future__ import annotations

import threading

import pytest
from rdzv_conformance.harness.pausing import Pausing
from rdzv_conformance.harness.threads import Running


def three_lines(seen: list[str]) -> None:
    seen.append("first")
    seen.append("second")
    seen.append("third")


@pytest.mark.parametrize("at", [1, 2, 3])
def test_what_happens_meanwhile_comes_before_the_line(at: int) -> None:
    seen: list[str] = []
    pausing = Pausing(at, 30)
    running = Running(pausing.call, three_lines, seen)
    pausing.meanwhile(seen.append, "meanwhile")
    running.result(30, "the call has not ended")
    lines = ["first", "second", "third"]
    assert seen == [*lines[: at - 1], "meanwhile", *lines[at - 1 :]]
    assert pausing.lines == 3


def test_however_late_the_other_thread_comes_the_call_still_stands() -> None:
    """A thread that got no turn for longer than the pause makes its call in the gap, and not after it."""
    seen: list[str] = []
    pausing = Pausing(2, 0.001)
    running = Running(pausing.call, three_lines, seen)
    assert not running.ended(0.1)
    pausing.meanwhile(seen.append, "meanwhile")
    running.result(30, "the call has not ended")
    assert seen == ["first", "meanwhile", "second", "third"]


def test_a_call_that_holds_the_lock_which_the_other_needs_goes_on() -> None:
    lock, seen = threading.Lock(), list[str]()

    def locked() -> None:
        with lock:
            seen.append("locked")

    def meanwhile() -> None:
        with lock:
            seen.append("meanwhile")

    pausing = Pausing(2, 0.01)
    running = Running(pausing.call, locked)
    pausing.meanwhile(meanwhile)
    running.result(30, "the call has not ended")
    assert seen == ["locked", "meanwhile"]


def test_of_a_call_that_does_not_come_to_its_line_nothing_is_awaited_for_long() -> None:
    seen: list[str] = []
    pausing = Pausing(100, 0.001)
    pausing.call(three_lines, seen)
    pausing.meanwhile(seen.append, "meanwhile")
    assert seen == ["first", "second", "third", "meanwhile"]
