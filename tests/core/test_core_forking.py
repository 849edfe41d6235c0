"""A fork waits until nobody is in a block of `hold_forks`, and nobody comes in while it waits."""

from __future__ import annotations

import os
import threading
import warnings

import pytest

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
