"""A fork of a process that tests a backend: it has a watchdog, and tells what came of it."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import IO, Any

from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, shown_error
from rdzv_conformance.harness.lines import Say
from rdzv_conformance.harness.register import Register

SEVERAL_CALLS = 10.0
"""Seconds, times the pace, on top of what one call may take."""


class Child:
    """A fork of this process, which does one thing and tells what came of it. It begins when it is told to.

    It is gone at once after that, unless it `leaves` as a program does, with all that is done at its end.
    """

    def __init__(self, does: Callable[[], Any], limit: float, leaves: bool = False) -> None:
        told_here, self._told = os.pipe()
        starts, self._start = os.pipe()
        self.pid: int = os.fork()
        if self.pid == 0:
            os.close(told_here)
            os.close(self._start)
            _be_the_child(does, starts, self._told, limit, leaves)
        os.close(self._told)
        os.close(starts)
        self._answers: IO[str] = os.fdopen(told_here)

    def begin(self) -> None:
        """Let it begin."""
        os.write(self._start, b"!")  # another child may hold this end too: that it is closed tells nothing
        os.close(self._start)

    def result(self) -> Any:
        """Wait for its end; return what it says, or fail the clause with what it raised or with how it was ended."""
        with self._answers as answers:
            said = answers.read()
        _, status = os.waitpid(self.pid, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
            raise ClauseFailed("the child of a fork hung in its first use: it must work or raise")
        if not said:
            raise ClauseFailed(f"the child of a fork ended with status {status} in its first use")
        answer = json.loads(said)
        if "raised" in answer:
            raise ClauseFailed(
                f"the child of a fork was told {answer['raised']}: it must work or raise a RendezvousConnectionError"
            )
        return answer["gave"]


def _be_the_child(does: Callable[[], Any], starts: int, told: int, limit: float, leaves: bool) -> None:
    os.read(starts, 1)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(math.ceil(limit))  # the watchdog: it needs no thread, and a fork has only this one
    try:
        said: dict[str, Any] = {"gave": does()}
    except BaseException as error:  # noqa: BLE001 - told to the parent
        said = {"raised": str(error) if isinstance(error, ClauseFailed) else shown_error(error)}
    with os.fdopen(told, "w") as answers:
        answers.write(json.dumps(said))
    if leaves:
        sys.exit(0)  # as programs end: what is to be done at the end of a process is done here
    os._exit(0)


def limit_of(under_test: BackendUnderTest) -> float:
    """Return how many seconds a child may take for its calls."""
    return under_test.target.patience + under_test.paced(SEVERAL_CALLS)


def ready_to_fork(under_test: BackendUnderTest, say: Say) -> Register:
    """Return an instance that was used, when the process that asked for it says `go`."""
    warnings.simplefilter("ignore", DeprecationWarning)  # to fork with threads is just what is to be tested
    register = under_test.open()
    register.write(b"before the fork")
    say("ready")
    sys.stdin.readline()
    return register
