"""What another process does for the tests about forks: it forks, for a process of the suite has too many threads."""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from typing import IO, Any

from rdzv_conformance.checks.linearizability import to_json
from rdzv_conformance.checks.linearizability.recording import Client
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, equal, shown, shown_error, that
from rdzv_conformance.harness.lines import Say
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.threads import Running
from rdzv_core import (
    RendezvousConnectionError,
    RendezvousParameters,
    SupportsDelete,
    SupportsMembership,
    SupportsSubmit,
    SupportsWatch,
    create_backend,
)

SEVERAL_CALLS = 10.0
"""Seconds, times the pace, on top of what one call may take."""
WRITES = 5
TURNS = 3
"""How often each kind of child is forked amidst calls."""
A_MOMENT = 0.2
ASIDE = "made-in-a-child"
LONG = 60.0
TTL = 60.0


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


def _limit(under_test: BackendUnderTest) -> float:
    return under_test.target.patience + under_test.paced(SEVERAL_CALLS)


def ready_to_fork(under_test: BackendUnderTest, say: Say) -> Register:
    """Return an instance that was used, when the process that asked for it says `go`."""
    warnings.simplefilter("ignore", DeprecationWarning)  # to fork with threads is just what is to be tested
    register = under_test.open()
    register.write(b"before the fork")
    say("ready")
    sys.stdin.readline()
    return register


def fork_and_hammer(under_test: BackendUnderTest, say: Say, seed: str, least: int) -> None:
    """Fork, and do everything at once: here, in a child with this process's instance, in one with a new instance."""
    warnings.simplefilter("ignore", DeprecationWarning)  # to fork with threads is just what is to be tested
    register = under_test.open()
    history = Client(register, "before the fork", "").read()
    say("ready")
    sys.stdin.readline()
    limit = _limit(under_test)
    works: tuple[Callable[[], Any], ...] = (
        lambda: _hammered(register, "child", f"{seed} 1", least),
        lambda: _hammered(under_test.open(), "child with a new instance", f"{seed} 2", least),
        lambda: _with_a_child(register, f"{seed} 3", least, limit),
        lambda: _aside(register, least),
    )
    children = [Child(work, limit) for work in works]
    for child in children:
        child.begin()
    client = Client(register, "parent", f"{seed} 0")
    try:
        history += client.run(least)
    except RendezvousConnectionError:
        history += client.history
    except Exception as error:
        raise ClauseFailed(
            f"a call of a process that forked took for its answer what is none, while its children called too (do they "
            f"share its connection?): {shown_error(error)}"
        ) from error
    failed = sum(each.answer is None for each in history)
    that(
        not failed,
        f"{failed} of {len(history)} calls of a process that forked raised RendezvousConnectionError while its "
        "children called too: they must not disturb it (do they share its connection?)",
    )
    told = [each for child in children for each in child.result()]
    if isinstance(register.backend, SupportsDelete):
        register.sibling(ASIDE).delete_state()
    say("done", history=[*(to_json(each) for each in history), *told])


def _hammered(register: Register, name: str, seed: str, least: int) -> list[Any]:
    client = Client(register, name, seed)
    try:
        client.run(least)
    except RendezvousConnectionError:
        pass  # it may be refused; what it asked for may have been done
    return [to_json(each) for each in client.history]


def _with_a_child(register: Register, seed: str, least: int, limit: float) -> list[Any]:
    """Fork once more, after a first call: a grandchild's connection is not its parent's either."""
    client = Client(register, "child that forks", seed)
    if any(each.answer is None for each in client.read()):
        return []  # it is refused in a child
    grandchild = Child(lambda: _hammered(register, "grandchild", f"{seed} 1", least), limit)
    grandchild.begin()
    try:
        client.run(least)
    except RendezvousConnectionError:
        pass
    told = grandchild.result()
    failed = sum(each.answer is None for each in client.history)
    that(
        not failed, f"{failed} of {len(client.history)} calls of a child that forked failed while its own child called"
    )
    return [*(to_json(each) for each in client.history), *told]


def _aside(register: Register, least: int) -> list[Any]:
    """Write and read a sibling that is made in the child, of an instance from before the fork."""
    try:
        sibling = register.sibling(ASIDE)
        found = sibling.get_state()
        token = found and found.token
        for number in range(max(least, WRITES)):
            token = sibling.write(b"%d" % number, token)
            sibling.holds(b"%d" % number, token, "of a sibling that was made in a forked child")
    except RendezvousConnectionError:
        pass
    return []


def fork_amidst(under_test: BackendUnderTest, say: Say) -> None:
    """Fork again and again while threads call, wait, open and close; a child uses what it inherited, or its own."""
    register = ready_to_fork(under_test, say)
    backend = register.backend
    params = under_test.parameters()
    lease = backend.enter(b"parent", TTL) if isinstance(backend, SupportsMembership) else None
    stop = threading.Event()
    calling = [Running(_call_on, register, stop) for _ in range(2)]
    calling.append(Running(_open_on, params, stop))
    found = register.get_state()
    submits = isinstance(backend, SupportsSubmit) and "get_state" in backend.submittable
    if submits:
        _submitted(register, _limit(under_test))
    # Of another purpose, for nobody writes there meanwhile.
    quiet = register.sibling("quiet")
    waiting = Running(quiet.wait_state, None, LONG) if isinstance(quiet.backend, SupportsWatch) else None
    kinds: list[Callable[[], Any]] = [
        lambda: _use_inherited(register, quiet, True),
        lambda: _use_inherited(register, quiet, False),  # it closes what it has inherited without a call
        lambda: "inherited nothing",
    ]
    if submits:
        kinds.append(lambda: _submitted(register, _limit(under_test) / 2))
    if waiting is not None:
        kinds.append(lambda: _wait_inherited(quiet))
    children = []
    for kind in kinds * TURNS:
        child = Child(lambda kind=kind: [kind(), _open_once(params)], _limit(under_test))  # type: ignore[misc]
        children += [child, Child(lambda: "left", _limit(under_test), leaves=True)]
        child.begin()
        children[-1].begin()
    # Awaited together: each may take as long as a call that cannot be answered.
    told = [child.result() for child in children]
    stop.set()
    for each in calling:
        each.result(under_test.paced(LONG), "a thread of the parent that was in a call at the fork has not ended")
    that(register.get_state() is not None and found is not None, "the parent's state was lost by a fork")
    if waiting is not None:
        that(not waiting.ended(0), "a wait of the parent ended when its child closed what it had inherited")
        quiet.write(b"changed")
        waiting.result(under_test.paced(LONG), "a wait of the parent was not woken after a fork")
    if lease is not None and isinstance(backend, SupportsMembership):
        equal("what refresh of the parent's membership gave after its children ended", backend.refresh(lease), True)
    if isinstance(quiet.backend, SupportsDelete):
        quiet.delete_state()
    say("done", told=told)


def _call_on(register: Register, stop: threading.Event) -> None:
    while not stop.is_set():
        found = register.get_state()
        register.set_state(b"meanwhile", found and found.token)


def _open_on(params: RendezvousParameters, stop: threading.Event) -> None:
    while not stop.is_set():
        _open_once(params)


def _open_once(params: RendezvousParameters) -> str:
    """Use a new instance. It is made without the suite's own locks, which another thread may hold at a fork."""
    try:
        backend = create_backend(params)
        backend.get_state()
    except RendezvousConnectionError:
        return "refused"
    backend.close()
    return "works"


def _submitted(register: Register, limit: float) -> str:
    """Submit a read, and wait for its end."""
    ends: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()
    backend: Any = register.backend
    backend.submit("get_state", (), lambda result, error: ends.put((result, error)))
    try:
        _, error = ends.get(timeout=limit)
    except queue.Empty:
        raise ClauseFailed(
            "get_state(), submitted in the child of a fork, has not ended: it must work or raise"
        ) from None
    if error is not None and not isinstance(error, RendezvousConnectionError):
        raise error
    return "works" if error is None else "refused"


def _wait_inherited(quiet: Register) -> str:
    """Wait in vain; it must end."""
    with contextlib.suppress(RendezvousConnectionError):
        quiet.backend.wait_state(None, A_MOMENT)  # type: ignore[attr-defined]
    return "over"


def _use_inherited(register: Register, quiet: Register, uses: bool) -> str:
    said = "works"
    try:
        if uses:
            found = register.backend.get_state()
            register.backend.set_state(b"in the child", found and found[1])
    except RendezvousConnectionError:
        said = "refused"
    quiet.backend.close()
    register.backend.close()
    return said


def fork_and_write(under_test: BackendUnderTest, say: Say) -> None:
    """Fork twice, let the children and then this process write in turn, and say the tokens of all writes."""
    register = ready_to_fork(under_test, say)
    limit = _limit(under_test)
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
