"""Mutants of RDZV-WATCH-5, MEMBER-7, STORE-9, SUBMIT-2 and 5: gaps of a few instructions, and ends within ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._stores import store_mutant
from rdzv_conformance.mutants._submit import Errand, Runner, SubmittingMemory
from rdzv_core import StateSnapshot, Token
from rdzv_core.abc import OnDone
from rdzv_core.memory._store import MemoryStore


@mutant(
    "a-gap-of-instructions",
    "A wait looks under the lock, lets go of it, and takes it again to wait: a write in between wakes nobody.",
    "WATCH-5",
    message="that wake-up is lost",
    may_break=("WATCH-1", "WATCH-2", "WATCH-3", "LIFE-3", "WATCH-8"),
)
class AGapOfInstructions(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        deadline = time.monotonic() + timeout
        while True:
            found = self.get_state()
            if (found and found.token) != token:
                return True, found
            with self.opened():
                if not self.wait_changed(deadline):
                    return False, found


@mutant(
    "an-event-is-cleared-late",
    "A wait clears its event before it waits, and not before it looks.",
    "WATCH-5",
    message="that wake-up is lost",
    may_break=("WATCH-1", "WATCH-2", "WATCH-3", "LIFE-3", "WATCH-8", "WATCH-6", "SUBMIT-1", "LIFE-5"),
)
class AnEventIsClearedLate(SoundMemory):
    def _event(self) -> threading.Event:
        event: threading.Event = vars(self.hub).setdefault("written", {}).setdefault(self.key, threading.Event())
        return event

    def set_state(self, state: bytes, token: Token | None = None) -> Any:
        answer = super().set_state(state, token)
        self._event().set()
        return answer

    def delete_state(self, token: Token | None = None) -> bool:
        deleted = super().delete_state(token)
        self._event().set()
        return deleted

    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        deadline = time.monotonic() + timeout
        event = self._event()
        while True:
            found = self.get_state()
            left = deadline - time.monotonic()
            if (found and found.token) != token or left <= 0:
                return (found and found.token) != token, found
            event.clear()
            while not event.wait(min(left, 0.2)) and (left := deadline - time.monotonic()) > 0:
                self._check_open()


@mutant(
    "members-in-a-gap",
    "wait_members looks, and then registers: a change in between is missed.",
    "MEMBER-7",
    message="that wake-up is lost",
    may_break=("MEMBER-3", "MEMBER-4", "MEMBER-8", "MEMBER-18"),
)
class MembersInAGap(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while True:
            with self._members() as table:
                there, end = table.version, table.next_end()
            if there != version:
                return True
            due = deadline if end is None else min(deadline, time.monotonic() + end - self.hub.now())
            with self.opened():
                if not self.wait_changed(due) and due >= deadline:
                    return False


class _KeysInAGap(MemoryStore):
    def _await(self, ready: Callable[[Mapping[str, bytes]], bool], timeout: float) -> Mapping[str, bytes]:
        deadline = time.monotonic() + timeout
        while True:
            values = self._look()
            if ready(values):
                return values
            with self._backend.opened():
                if not self._backend.wait_changed(deadline):
                    return values


class _GapRunner(Runner):
    """A submitted wait that has looked is put to sleep until the next change, of which it is told once it sleeps."""

    def rest(self, errands: list[Errand]) -> None:
        if not self.errands or errands[0].method != "wait_state":
            super().rest(errands)
            return
        hub = self.backend.hub  # type: ignore[attr-defined]
        ends = min(errand.ends or 0.0 for errand in errands)
        with hub.changed:
            hub.changed.wait(max(0.0, min(ends - time.monotonic(), 30.0)))


@mutant(
    "submitted-in-a-gap",
    "A submitted wait looks, and is then put among those that are woken.",
    "SUBMIT-2",
    message="has not returned",
    may_break=("SUBMIT-1", "SUBMIT-3", "SUBMIT-5", "SUBMIT-4"),
)
class SubmittedInAGap(SubmittingMemory):
    runner_type = _GapRunner


class _LockedRunner(Runner):
    """Its thread holds the lock while it calls `done`."""

    def try_once(self, errand: Errand) -> bool:
        if errand.ends is not None and time.monotonic() < errand.ends:
            return super().try_once(errand)
        held, done = self.lock, errand.done

        def locked(result: Any, error: Exception | None) -> None:
            with held:
                done(result, error)

        errand.done = locked
        return super().try_once(errand)


@mutant(
    "done-under-a-lock",
    "done is called with the lock held that submit takes: who submits from within it waits for itself.",
    "SUBMIT-5",
    message="submitted from within done",
    may_break=("LIFE-4",),
)
class DoneUnderALock(SubmittingMemory):
    runner_type = _LockedRunner


class _ForgetfulRunner(Runner):
    """Puts back the calls that are left from before, and with that forgets those that came meanwhile."""

    def try_all(self, errands: list[Errand]) -> list[Errand]:
        vars(self)["ending"] = threading.get_ident()
        over = super().try_all(errands)
        vars(self)["ending"] = None
        return over

    def left_after(self, errands: list[Errand], over: list[Errand]) -> list[Errand]:
        left = [errand for errand in errands if errand not in over]
        return [*left, *(each for each in self.errands if each not in errands and not vars(each).get("nested"))]

    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        super().submit(method, arguments, done)
        with self.lock:
            if vars(self).get("ending") == threading.get_ident() and self.errands:
                vars(self.errands[-1])["nested"] = True


@mutant(
    "forgets-what-ends-begin",
    "When a call has ended the list of calls is put back as it was before: what done has submitted is forgotten.",
    "SUBMIT-5",
    message="submitted from within done",
)
class ForgetsWhatEndsBegin(SubmittingMemory):
    runner_type = _ForgetfulRunner


MUTANTS = (
    AGapOfInstructions,
    AnEventIsClearedLate,
    MembersInAGap,
    store_mutant(
        _KeysInAGap,
        "keys-in-a-gap",
        "get looks, and then registers: a set in between wakes nobody.",
        "STORE-9",
        message="that wake-up is lost",
        may_break=("STORE-2",),
    ),
    SubmittedInAGap,
    DoneUnderALock,
    ForgetsWhatEndsBegin,
)
