"""What is done when a program ends."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

BEGIN = """
import os, signal, sys, threading
from rdzv_torchrun._process_end import at_process_end, not_at_process_end

def act():
    # as leaving does: on a thread, which can be started here
    thread = threading.Thread(target=lambda: print("left", flush=True))
    thread.start()
    thread.join()

at_process_end(act)
"""


def outcome(code: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", BEGIN + code], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout


@pytest.mark.parametrize(("code", "status"), [("", 0), ("sys.exit(3)", 3), ("raise RuntimeError", 1)])
def test_it_is_done_however_the_main_thread_ends(code: str, status: int) -> None:
    """By its last line, an exit or an exception; the exit status is as it would be."""
    assert (status, "left\n") == outcome(code)


def test_what_was_taken_back_is_not_done() -> None:
    """And taking it back twice is no error."""
    assert (0, "") == outcome("not_at_process_end(act); not_at_process_end(act)")


def test_one_that_fails_keeps_no_other_from_being_done() -> None:
    """It is logged."""
    assert (0, "left\n") == outcome("at_process_end(lambda: 1 / 0); at_process_end(act); not_at_process_end(act)")


def test_a_killed_process_does_nothing() -> None:
    """Nobody can."""
    assert (-signal.SIGKILL, "") == outcome("os.kill(os.getpid(), signal.SIGKILL)")


def test_a_forked_child_does_not_do_what_its_parent_has_to() -> None:
    """It is done once, by the parent; a child that asks for something of its own gets that."""
    code = """
child = os.fork()
if not child:
    not_at_process_end(act)
    at_process_end(lambda: print("child", flush=True))
    sys.exit(0)
os.waitpid(child, 0)
"""
    assert (0, "child\nleft\n") == outcome(code)
