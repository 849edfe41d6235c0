"""What another process does for the tests about forks: it forks, for a process of the suite has too many threads."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

from rdzv_conformance.checks.linearizability import to_json
from rdzv_conformance.checks.linearizability.recording import Client
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, shown, shown_error, that
from rdzv_conformance.harness.lines import Say
from rdzv_conformance.harness.register import Register
from rdzv_conformance.suite.child import Child, limit_of, ready_to_fork
from rdzv_core import (
    RendezvousConnectionError,
    SupportsDelete,
)

WRITES = 5
ASIDE = "made-in-a-child"


def fork_and_use(under_test: BackendUnderTest, say: Say) -> None:
    """Fork with an open instance, use it in the child, and then here; say whether the state was lost."""
    register = ready_to_fork(under_test, say)
    child = Child(lambda: _use_and_close(register), limit_of(under_test))
    child.begin()
    child.result()
    found = register.get_state()
    register.write(b"after the fork", found and found.token)
    say("done", lost=found is None)


def _use_and_close(register: Register) -> None:
    try:
        found = register.backend.get_state()
        if found is not None:
            register.backend.set_state(b"in the child", found[1])
    except RendezvousConnectionError:
        pass  # it may be refused
    register.backend.close()


def fork_and_hammer(under_test: BackendUnderTest, say: Say, seed: str, least: int) -> None:
    """Fork, and do everything at once: here, in a child with this process's instance, in one with a new instance."""
    warnings.simplefilter("ignore", DeprecationWarning)  # to fork with threads is just what is to be tested
    register = under_test.open()
    history = Client(register, "before the fork", "").read()
    say("ready")
    sys.stdin.readline()
    limit = limit_of(under_test)
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


def fork_and_write(under_test: BackendUnderTest, say: Say) -> None:
    """Fork twice, let the children and then this process write in turn, and say the tokens of all writes."""
    register = ready_to_fork(under_test, say)
    limit = limit_of(under_test)
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
