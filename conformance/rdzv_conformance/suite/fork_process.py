"""What another process does for the tests about forks: it forks, for a process of the suite has too many threads."""

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
from rdzv_conformance.harness.expect import ClauseFailed, shown, shown_error
from rdzv_conformance.harness.lines import Say
from rdzv_conformance.harness.register import Register
from rdzv_core import RendezvousConnectionError

FORK_LIMIT = 20
WRITES = 5


class Child:
    """A fork of this process, which does one thing and tells what came of it. It begins when it is told to."""

    def __init__(self, does: Callable[[], Any], limit: float) -> None:
        told_here, self._told = os.pipe()
        starts, self._start = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(told_here)
            os.close(self._start)
            _be_the_child(does, starts, self._told, limit)
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


def _be_the_child(does: Callable[[], Any], starts: int, told: int, limit: float) -> None:
    os.read(starts, 1)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(math.ceil(limit))  # the watchdog: it needs no thread, and a fork has only this one
    try:
        said: dict[str, Any] = {"gave": does()}
    except BaseException as error:  # noqa: BLE001 - told to the parent
        said = {"raised": str(error) if isinstance(error, ClauseFailed) else shown_error(error)}
    with os.fdopen(told, "w") as answers:
        answers.write(json.dumps(said))
    os._exit(0)


def ready_to_fork(under_test: BackendUnderTest, say: Say) -> Register:
    """Return an instance that was used, when the process that asked for it says `go`."""
    warnings.simplefilter("ignore", DeprecationWarning)  # to fork with threads is just what is to be tested
    register = under_test.open()
    register.write(b"before the fork")
    say("ready")
    sys.stdin.readline()
    return register


def fork_and_write(under_test: BackendUnderTest, say: Say) -> None:
    """Fork twice, let the children and then this process write in turn, and say the tokens of all writes."""
    register = ready_to_fork(under_test, say)
    limit = under_test.paced(FORK_LIMIT)
    children = [Child(lambda: _tokens(under_test, register), limit) for _ in range(2)]
    tokens: list[str] = []
    for child in children:
        child.begin()
        tokens += child.result()
    tokens += _tokens(under_test, register)
    say("done", tokens=tokens)


def _tokens(under_test: BackendUnderTest, inherited: Register) -> list[str]:
    """Write with the instance that was there before the fork, as far as that works, and with one that is new."""
    try:
        tokens = _write(inherited)
    except RendezvousConnectionError:
        tokens = []
    fresh = under_test.open()
    tokens += _write(fresh)
    fresh.close()
    return tokens


def _write(register: Register) -> list[str]:
    tokens = []
    for _ in range(WRITES):
        found = register.get_state()
        tokens.append(shown(register.write(b"same", found and found.token)))
    return tokens
