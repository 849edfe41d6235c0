"""Mutants of RDZV-LIFE-1, 2, 3 and 5: what instances share, who is closed by whom, and calls that work all the same."""

from __future__ import annotations

import threading
import time
from typing import Any, ClassVar

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_core import RendezvousConnectionError, RendezvousParameters, StateSnapshot, Token


class _Client:
    """What instances share: it is gone when its last user has let it go."""

    def __init__(self) -> None:
        self.users = 0
        self.gone = False


class _Sharing(SoundMemory):
    """Instances of an endpoint share a client."""

    clients: ClassVar[dict[tuple[type, str], _Client]] = {}
    lock = threading.Lock()

    def __init__(self, params: RendezvousParameters, hub: Any = None) -> None:
        super().__init__(params, hub)
        self.client = self.take()

    def take(self) -> _Client:
        """Return the client, counting this one."""
        with self.lock:
            found = self.clients.get((type(self), self._params.endpoint))
            if found is None or found.gone:
                found = self.clients[type(self), self._params.endpoint] = _Client()
            found.users += 1
            return found

    def let_go(self) -> None:
        """Have the client closed, where this one is its last user."""
        with self.lock:
            self.client.users -= 1
            if self.client.users <= 0:
                self.client.gone = True

    def _check_open(self) -> None:
        super()._check_open()
        if self.client.gone:
            raise RendezvousConnectionError("the shared client is closed")


@mutant(
    "a-second-close-lets-go-of-anothers",
    "Users of a shared client are counted, and a second close() of one instance counts down for another one.",
    "LIFE-1",
    message="raised RendezvousConnectionError",
    may_break=("LIFE-5", "LIFE-3", "LIFE-2"),
)
class ASecondCloseLetsGoOfAnothers(_Sharing):
    def close(self) -> None:
        super().close()
        self.let_go()


@mutant(
    "a-siblings-second-close-lets-go",
    "An instance closes once, but a sibling counts down with every close().",
    "LIFE-1",
    message="raised RendezvousConnectionError",
    may_break=("LIFE-5", "LIFE-3", "LIFE-2"),
)
class ASiblingsSecondCloseLetsGo(_Sharing):
    def close(self) -> None:
        first = not self._closed
        super().close()
        if first or self._params.purpose:
            self.let_go()


@mutant(
    "opens-while-the-last-closes",
    "A shared client is looked up and then counted: meanwhile its last user closes it, and who opens has a dead one.",
    "LIFE-5",
    message="opened while another one closed",
)
class OpensWhileTheLastCloses(_Sharing):
    """Its instances are counted by run: the suite's own have others."""

    by_run: ClassVar[dict[str, _Client]] = {}

    def take(self) -> _Client:
        run = self._params.run_id
        found = self.by_run.get(run)
        if found is None or found.gone:
            found = self.by_run[run] = _Client()
        time.sleep(0)  # another thread's turn
        found.users += 1
        return found

    def close(self) -> None:
        first = not self._closed
        super().close()
        if first:
            self.let_go()


@mutant(
    "a-siblings-close-ends-the-runs-waits",
    "A sibling waits on the connection of the instance that made it, and close() shuts that down.",
    "LIFE-5",
    message="ended when a sibling was closed",
    may_break=("LIFE-3", "LIFE-1"),
)
class ASiblingsCloseEndsTheRunsWaits(SoundMemory):
    shut = 0
    parent: Any = None

    def sibling(self, purpose: str) -> SoundMemory:
        made = super().sibling(purpose)
        vars(made)["parent"] = self
        return made

    def close(self) -> None:
        super().close()
        with self.hub.changed:
            if self.parent is not None:
                self.parent.shut += 1
            self.hub.changed.notify_all()

    def wait_changed(self, deadline: float) -> bool:
        before = self.shut
        woken = super().wait_changed(deadline)
        if self.shut != before:
            raise RendezvousConnectionError("the connection was shut down")
        return woken


@mutant(
    "a-closed-instance-lists",
    "The listing asks the store by a connection of its own.",
    "LIFE-2",
    message="list_keys() after close() gave",
)
class AClosedInstanceLists(SoundMemory):
    def list_keys(self) -> list[str]:
        return list(self.hub.registers.raw)


@mutant(
    "a-closed-instance-deletes-by-token",
    "delete_state() asks whether it is closed, and the transaction that compares a token does not.",
    "LIFE-2",
    message="after close() gave",
)
class AClosedInstanceDeletesByToken(SoundMemory):
    def delete_state(self, token: Token | None = None) -> bool:
        if token is None:
            return super().delete_state()
        with self.hub.changed:
            return self.hub.registers.delete(self.key, token)


@mutant(
    "a-closed-wait-looks-first",
    "A wait looks before it asks whether it is closed: with a stale token, or with no time, it has an answer.",
    "LIFE-2",
    message="after close() gave",
)
class AClosedWaitLooksFirst(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        found = self.hub.registers.get(self.key)
        if timeout <= 0 and not self.hub.changed._is_owned():  # type: ignore[attr-defined]
            return (found and found.token) != token, found
        return super().wait_state(token, timeout)


@mutant(
    "one-waits-of-each-kind",
    "Who waits for a register is kept by its key, and close() wakes the one that it finds there.",
    "LIFE-3",
    message="goes on 2 s after close()",
)
class OneWaitsOfEachKind(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        vars(self)["last"] = mine = object()
        ends = time.monotonic() + timeout
        while True:
            try:
                return super().wait_state(token, ends - time.monotonic())
            except RendezvousConnectionError:
                if vars(self)["last"] is mine or time.monotonic() > ends:
                    raise
                time.sleep(min(8.0, max(0.0, ends - time.monotonic())))
                raise


@mutant(
    "a-wait-subscribes-after-it-looked",
    "A wait asks whether it is closed, subscribes, and waits: a close() before the subscription is there ends nothing.",
    "LIFE-3",
    message="begun together with close(), goes on",
    may_break=("LIFE-2",),
)
class AWaitSubscribesAfterItLooked(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        if timeout < 1:
            return super().wait_state(token, timeout)
        with self.opened():
            pass
        time.sleep(0.0002)
        if not self._closed:
            return super().wait_state(token, timeout)
        time.sleep(min(timeout, 8.0))
        raise RendezvousConnectionError("closed")


MUTANTS = (
    ASecondCloseLetsGoOfAnothers,
    ASiblingsSecondCloseLetsGo,
    OpensWhileTheLastCloses,
    ASiblingsCloseEndsTheRunsWaits,
    AClosedInstanceLists,
    AClosedInstanceDeletesByToken,
    AClosedWaitLooksFirst,
    OneWaitsOfEachKind,
    AWaitSubscribesAfterItLooked,
)
