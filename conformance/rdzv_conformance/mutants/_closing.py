"""Mutants of RDZV-LIFE-3, 5 and 7: what outlives a close, and whose waits it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_core import (
    MemberLease,
    RendezvousConnectionError,
    RendezvousTimeoutError,
    StateSnapshot,
    Store,
    Token,
)
from rdzv_core.memory._store import MemoryStore


@mutant(
    "a-store-outlives-its-instance",
    "A store has a connection of its own, which close() does not know.",
    "LIFE-7",
    message="of a store whose instance was closed gave",
    may_break=("LIFE-3", "LIFE-2", "STORE-2"),
)
class AStoreOutlivesItsInstance(SoundMemory):
    def store(self, prefix: str) -> Store:
        super().store(prefix)
        return MemoryStore(SoundMemory(self._params), prefix)


class _ReadsOn(MemoryStore):
    def _look(self) -> Mapping[str, bytes]:
        return dict(self._values())


@mutant(
    "a-closed-store-is-looked-at",
    "What a store does not change it reads without asking whether it is closed.",
    "LIFE-7",
    message="of a store whose instance was closed gave",
    may_break=("LIFE-2",),
)
class AClosedStoreIsLookedAt(SoundMemory):
    def store(self, prefix: str) -> Store:
        super().store(prefix)
        return _ReadsOn(self, prefix)


class _ErrsByItself(MemoryStore):
    def _look(self) -> Mapping[str, bytes]:
        try:
            return super()._look()
        except RendezvousConnectionError as error:
            raise RuntimeError("cannot schedule new futures after shutdown") from error


@mutant(
    "a-closed-store-errs-by-itself",
    "A call of a closed store gives the error of the pool below.",
    "LIFE-7",
    message="raised RuntimeError",
    may_break=("LIFE-2",),
)
class AClosedStoreErrsByItself(SoundMemory):
    def store(self, prefix: str) -> Store:
        super().store(prefix)
        return _ErrsByItself(self, prefix)


@mutant(
    "a-closed-instance-refreshes",
    "Leases are kept by a thread that close() does not end: refresh answers True.",
    "LIFE-7",
    message="refresh after close() gave",
)
class AClosedInstanceRefreshes(SoundMemory):
    def refresh(self, member: MemberLease) -> bool:
        return True if self._closed else super().refresh(member)


@mutant(
    "a-closed-instance-leaves",
    "leave() after close() is done, for tidiness.",
    "LIFE-7",
    message="leave after close() gave",
)
class AClosedInstanceLeaves(SoundMemory):
    def leave(self, member: MemberLease) -> None:
        if self._closed:
            SoundMemory(self._params).leave(member)
        else:
            super().leave(member)


@mutant(
    "close-does-not-end-a-wait-for-members",
    "close() wakes who waits for the state, and nobody who waits for members.",
    "LIFE-3",
    message="wait_members goes on",
)
class CloseEndsNoWaitForMembers(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        self.members()
        deaf = SoundMemory(self._params)
        try:
            return deaf.wait_members(version, min(timeout, 8.0))
        finally:
            deaf.close()
            self._check_open()


@mutant(
    "close-does-not-end-a-get",
    "A store's get waits on a connection of its own, which close() does not end.",
    "LIFE-3",
    message="get of a store goes on",
)
class CloseEndsNoGet(SoundMemory):
    def store(self, prefix: str) -> Store:
        super().store(prefix)
        return _GetsOn(self, prefix)


class _GetsOn(MemoryStore):
    def __init__(self, backend: SoundMemory, prefix: str) -> None:
        super().__init__(backend, prefix)
        self._mine = backend

    def _await(self, ready: Callable[[Mapping[str, bytes]], bool], timeout: float) -> Mapping[str, bytes]:
        self._look()
        deaf = SoundMemory(self._mine._params)
        try:
            found = MemoryStore(deaf, self._prefix)._await(ready, min(timeout, 8.0))
        finally:
            deaf.close()
        self._look()
        return found


@mutant(
    "a-closed-wait-is-in-vain",
    "A wait that close() ends returns as if its time was over.",
    "LIFE-3",
    message="ended by close(), gave",
)
class AClosedWaitIsInVain(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        self.members()
        try:
            return super().wait_members(version, timeout)
        except RendezvousConnectionError:
            return False


@mutant(
    "a-closed-get-times-out",
    "A get that close() ends says that the key did not come in time.",
    "LIFE-3",
    message="ended by close(), gave",
)
class AClosedGetTimesOut(SoundMemory):
    def store(self, prefix: str) -> Store:
        super().store(prefix)
        return _TimesOut(self, prefix)


class _TimesOut(MemoryStore):
    def _await(self, ready: Callable[[Mapping[str, bytes]], bool], timeout: float) -> Mapping[str, bytes]:
        self._look()
        try:
            return super()._await(ready, timeout)
        except RendezvousConnectionError as error:
            raise RendezvousTimeoutError("timed out") from error


class _EndsOthers(SoundMemory):
    """close() ends waits of the whole process."""

    def close(self) -> None:
        super().close()
        with self.hub.changed:
            vars(self.hub)["closes"] = self.closes() + 1
            self.hub.changed.notify_all()

    def closes(self) -> int:
        return int(vars(self.hub).get("closes", 0))


@mutant(
    "close-ends-everybodys-waits",
    "Instances share the thread that watches, and the first close() ends it.",
    "LIFE-5",
    message="only its own waits must end",
    may_break=("LIFE-3", "LIFE-1"),
)
class CloseEndsEverybodysWaits(_EndsOthers):
    def wait_changed(self, deadline: float) -> bool:
        before = self.closes()
        woken = super().wait_changed(deadline)
        if self.closes() != before:
            raise RendezvousConnectionError("the watch was closed")
        return woken


@mutant(
    "close-ends-others-waits-for-members",
    "The thread that waits for members is shared, and ends with the first close(), in vain for all others.",
    "LIFE-5",
    message="wait_members of",
)
class CloseEndsOthersWaitsForMembers(_EndsOthers):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        before, ends = self.closes(), time.monotonic() + timeout
        while True:
            if super().wait_members(version, max(0.0, min(0.02, ends - time.monotonic()))):
                return True
            if self.closes() != before or time.monotonic() >= ends:
                return False


@mutant(
    "close-stops-others-from-being-woken",
    "The subscription is of the process: when one instance has closed nobody is woken any more.",
    "LIFE-5",
    message="was not woken after a close",
)
class CloseStopsOthers(_EndsOthers):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        before = self.closes()
        changed, found = super().wait_state(token, timeout)
        if changed and self.closes() != before:
            ends = time.monotonic() + 20.0
            with self.opened():
                while self.wait_changed(ends):
                    pass
        return changed, found


MUTANTS = (
    AStoreOutlivesItsInstance,
    AClosedStoreIsLookedAt,
    AClosedStoreErrsByItself,
    AClosedInstanceRefreshes,
    AClosedInstanceLeaves,
    CloseEndsNoWaitForMembers,
    CloseEndsNoGet,
    AClosedWaitIsInVain,
    AClosedGetTimesOut,
    CloseEndsEverybodysWaits,
    CloseEndsOthersWaitsForMembers,
    CloseStopsOthers,
)
