"""A fork waits until nobody is in a block of `hold_forks`, and nobody comes in while it waits."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings

import pytest

from rdzv_core import forking
from rdzv_core.forking import hold_forks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
SOON = 10.0


def _forked(does) -> int:
    """Fork; return how the child ended, which is gone after `does`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # to fork with threads is just what is to be tested
        child = os.fork()
    if child == 0:
        os._exit(does())
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


class _Inside:
    """A thread that is in such a block, with a lock, until it is told to leave."""

    def __init__(self) -> None:
        self.lock, self.entered, self.leave = threading.Lock(), threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._stay)
        self.thread.start()
        assert self.entered.wait(SOON)

    def _stay(self) -> None:
        with hold_forks(), self.lock:
            self.entered.set()
            self.leave.wait(SOON)


def test_a_fork_waits_until_the_block_is_left():
    inside = _Inside()
    threading.Timer(0.1, inside.leave.set).start()
    assert _forked(lambda: inside.lock.locked()) == 0, "the child has inherited a lock that is held"
    inside.thread.join()


def test_a_fork_does_not_wait_for_ever():
    inside = _Inside()
    assert _forked(lambda: inside.lock.locked()) == 1
    inside.leave.set()
    inside.thread.join()


def test_both_sides_of_a_fork_go_on():
    def use() -> int:
        with hold_forks(), hold_forks():
            return 7

    assert [_forked(use), use(), _forked(lambda: _forked(use))] == [7, 7, 7]


def test_a_fork_within_the_block_waits_for_nobody_else():
    with hold_forks():
        assert _forked(lambda: 3) == 3
    with hold_forks():
        pass


def test_who_keeps_coming_in_does_not_keep_a_fork_waiting():
    over, entries = threading.Event(), []

    def come_and_go() -> None:
        while not over.is_set():
            with hold_forks():
                entries.append(None)

    threads = [threading.Thread(target=come_and_go) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert [_forked(lambda: 0) for _ in range(20)] == [0] * 20
    over.set()
    for thread in threads:
        thread.join()
    assert entries


def _interrupted_at(number: int) -> bool:
    """Go through the gate, with a handler that goes through it too at the line of that number; is there such a line?"""
    came: list[object] = []

    def handler(*_: object) -> None:
        with hold_forks():
            came.append(None)

    def at_each_line(frame, event, _):
        nonlocal number
        if frame.f_code.co_filename != forking.__file__:
            return None
        number -= event == "line"
        if event == "line" and number == 0:
            signal.raise_signal(signal.SIGUSR1)
        return at_each_line

    signal.signal(signal.SIGUSR1, handler)
    sys.settrace(at_each_line)
    with hold_forks():
        pass
    sys.settrace(None)
    return bool(came)


def test_a_signal_handler_comes_in_wherever_it_interrupts():
    """It may come while its own thread is just coming in, or going."""

    def interrupted() -> int:
        signal.alarm(30)  # who waits for itself is ended by it
        number = 1
        while _interrupted_at(number):
            number += 1
        return number

    assert _forked(interrupted) > 8


def test_a_signal_handler_comes_in_while_its_thread_waits_to_fork():
    def forks() -> int:
        signal.alarm(30)
        inside, came = _Inside(), []

        def handler(*_: object) -> None:
            with hold_forks():
                came.append(None)
            inside.leave.set()

        signal.signal(signal.SIGUSR1, handler)
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        left = _forked(lambda: inside.lock.locked())
        return 0 if came and not left else 1

    assert _forked(forks) == 0
