"""What process 1 of a container has to do: end on signals, and reap orphans.

The kernel drops a signal to process 1 for which no handler is installed: SIGTERM, which ends any other process, does
nothing there. And process 1 (or a subreaper) inherits every orphan, which stays a zombie until it is reaped; code that
reaps all children takes the exit status of those that other code waits for. So if `rdzv` is process 1 it does its work
in a child, which is a process like any other, and the parent does this alone.
"""

from __future__ import annotations

import os
import signal
import sys

_PR_SET_PDEATHSIG, _PR_GET_CHILD_SUBREAPER = 1, 37


def divide() -> None:
    """As process 1 or as a subreaper: go on in a child, and end with its status when that ends. Else do nothing.

    To be called before there are threads. Where the system refuses another process, go on in this one.
    """
    if not _inherits_orphans():
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # where it is ignored the kernel reaps, and the status is lost
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    parent = os.getpid()
    try:
        child = os.fork()
    except OSError:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    if child == 0:
        _become_the_program(parent)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    os._exit(_look_after(child))


def _inherits_orphans() -> bool:
    if os.getpid() == 1:
        return True
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    answer = ctypes.c_int(0)
    return ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0) == 0 and answer.value != 0


def _become_the_program(parent: int) -> None:
    """Take the terminal, so that Ctrl-C comes here once, from there, and end when the parent does."""
    if sys.platform.startswith("linux") and parent != 1:  # with process 1 everything ends anyway
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(128 + signal.SIGKILL)
    had_the_terminal = _group_of_terminal() == os.getpgrp()
    os.setpgid(0, 0)
    if had_the_terminal:
        os.tcsetpgrp(0, os.getpgrp())  # SIGTTOU is blocked


def _group_of_terminal() -> int | None:
    try:
        return os.tcgetpgrp(0)
    except OSError:  # stdin is not a terminal, or is that of another session
        return None


def _look_after(child: int) -> int:
    """Pass every signal on to the child and reap ended children, until the child ends; return its exit status."""
    while True:
        number = signal.sigwait(signal.valid_signals())
        if number != signal.SIGCHLD:
            os.kill(child, number)
        status = _reap(child)
        if status is not None:
            return status


def _reap(child: int) -> int | None:
    """Reap all children that have ended; return the child's exit status if it is among them, as a shell reports it."""
    found = None
    while True:
        try:
            process, raw = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if process == 0:
            return found
        if process == child:
            status = os.waitstatus_to_exitcode(raw)
            found = 128 - status if status < 0 else status
