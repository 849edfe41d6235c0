"""What another process does for RDZV-CONN-11: it forks while its threads call, wait, open and close."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Iterator
from typing import Any

from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, equal, shown, that
from rdzv_conformance.harness.lines import Say
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.threads import Running
from rdzv_conformance.suite.child import Child, limit_of, ready_to_fork
from rdzv_core import (
    RendezvousConnectionError,
    SupportsDelete,
    SupportsMembership,
    SupportsStore,
    SupportsSubmit,
    SupportsWatch,
    create_backend,
)

TURNS = 5
"""How many children begin with each use; of so many `LEAVES` one only leaves, as a program does."""
LEAVES = 4
A_MOMENT = 0.2
LONG = 60.0
TTL = 60.0


class _Use:
    """One way to use a backend: by a thread of the process that forks, and in its children.

    Each has an instance of its own: on a common one a busy thread may leave the others no turn.
    """

    def __init__(self, under_test: BackendUnderTest) -> None:
        self.under_test, self.register = under_test, under_test.open()
        self.backend: Any = self.register.backend
        self.ready()

    def ready(self) -> None:
        """Begin, before any fork."""

    def once(self) -> None:
        """Do it in the parent, again and again while it forks."""
        self.register.get_state()

    def inherited(self) -> None:
        """Do it in a child, with what it has inherited; it may be refused by a RendezvousConnectionError."""

    def after(self) -> None:
        """Look, in the parent, when all children have ended."""


class _Calls(_Use):
    def once(self) -> None:
        found = self.register.get_state()
        self.register.set_state(b"meanwhile", found and found.token)

    def inherited(self) -> None:
        found = self.backend.get_state()
        self.backend.set_state(b"in the child", found and found[1])

    def after(self) -> None:
        that(self.register.get_state() is not None, "the parent's state was lost by a fork")


class _Opens(_Use):
    def once(self) -> None:
        # Without the suite's own locks, which this thread may hold at a fork.
        with contextlib.suppress(RendezvousConnectionError):
            backend = create_backend(self.under_test.parameters())
            backend.get_state()
            backend.close()

    def inherited(self) -> None:
        self.once()


class _Submits(_Use):
    def ready(self) -> None:
        self.once()

    def once(self) -> None:
        ends: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()
        self.backend.submit("get_state", (), lambda result, error: ends.put((result, error)))
        try:
            _, error = ends.get(timeout=limit_of(self.under_test) / 2)
        except queue.Empty:
            told = "get_state(), submitted in the child of a fork, has not ended: it must work or raise"
            raise ClauseFailed(told) from None
        if error is not None:
            raise error

    def inherited(self) -> None:
        self.once()


class _Waits(_Use):
    """Waits on a sibling, for nobody writes there meanwhile."""

    def ready(self) -> None:
        self._quiet = self.register.sibling("quiet")
        self._waiting = Running(self._quiet.wait_state, None, LONG)

    def inherited(self) -> None:
        self._quiet.backend.wait_state(None, A_MOMENT)  # type: ignore[attr-defined]

    def after(self) -> None:
        that(not self._waiting.ended(0), "a wait of the parent ended when its child closed what it had inherited")
        self._quiet.write(b"changed")
        self._waiting.result(self.under_test.paced(LONG), "a wait of the parent was not woken after a fork")
        if isinstance(self._quiet.backend, SupportsDelete):
            self._quiet.delete_state()


class _Members(_Use):
    def ready(self) -> None:
        self._lease = self.backend.enter(b"parent", TTL)

    def once(self) -> None:
        self._look("in a process that forks")
        gave = self.backend.refresh(self._lease)
        equal("what refresh of the parent's member gave while it forked", gave, True)

    def inherited(self) -> None:
        self._look("in the child of a fork")
        self.backend.leave(self.backend.enter(b"child", TTL))

    def after(self) -> None:
        gave = self.backend.refresh(self._lease)
        equal("what refresh of the parent's member gave after its children had ended", gave, True)

    def _look(self, where: str) -> None:
        found = [each.id for each in self.backend.members().members]
        that(self._lease.id in found, f"members() {where} gave {shown(found)}, without the parent's member")


class _Stores(_Use):
    def ready(self) -> None:
        self._store, self._added = self.backend.store("forks"), 0

    def once(self) -> None:
        self._added += 1
        equal("what add gave in a process that forks", self._store.add("of the parent", 1), self._added)

    def inherited(self) -> None:
        key = f"of the child {os.getpid()}"
        self._store.set(key, key.encode())
        equal("the value that the child of a fork has set", self._store.get(key, LONG), key.encode())


def _uses(under_test: BackendUnderTest, register: Register) -> Iterator[_Use]:
    yield from (_Calls(under_test), _Opens(under_test))
    backend = register.backend
    if isinstance(backend, SupportsSubmit) and "get_state" in backend.submittable:
        yield _Submits(under_test)
    if isinstance(backend, SupportsWatch):
        yield _Waits(under_test)
    if isinstance(backend, SupportsMembership):
        yield _Members(under_test)
    if isinstance(backend, SupportsStore):
        yield _Stores(under_test)


def fork_amidst(under_test: BackendUnderTest, say: Say) -> None:
    """Fork again and again while threads call, wait, open and close; a child uses all that, or leaves at once."""
    register = ready_to_fork(under_test, say)
    uses = [*_uses(under_test, register)]
    stop = threading.Event()
    calling = [Running(_again_and_again, use, stop) for use in uses]
    children = []
    for number in range(TURNS * len(uses)):
        # Each begins with another use: the first one may put right what the others would find.
        turn = [*uses[number % len(uses) :], *uses[: number % len(uses)]] if number % LEAVES else []
        child = Child(lambda turn=turn: _in_child(turn, uses), limit_of(under_test), leaves=not turn)  # type: ignore[misc]
        children.append(child)
        child.begin()
    # Awaited together: each may take as long as a call that cannot be answered.
    told = [child.result() for child in children]
    stop.set()
    for each in calling:
        each.result(under_test.paced(LONG), "a thread of the parent that was in a call at the fork has not ended")
    for use in uses:
        use.after()
    say("done", told=told)


def _again_and_again(use: _Use, stop: threading.Event) -> None:
    while not stop.is_set():
        use.once()


def _in_child(turn: list[_Use], uses: list[_Use]) -> str:
    for use in turn:
        with contextlib.suppress(RendezvousConnectionError):
            use.inherited()
    for use in uses:
        use.backend.close()
    return "works, or was refused"
