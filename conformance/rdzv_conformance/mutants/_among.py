"""Mutants of RDZV-WATCH-3, 5 and 6 and of SUBMIT: states that are created again, and submitted calls among others."""

from __future__ import annotations

import threading
import time
from typing import Any, ClassVar

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._submit import Errand, Runner, SubmittingMemory
from rdzv_core import RendezvousConnectionError, RendezvousParameters, SetStateResult, StateSnapshot, Token
from rdzv_core.abc import OnDone
from rdzv_core.memory import MemoryHub
from rdzv_core.memory._registers import is_token


@mutant(
    "counts-from-its-creation",
    "A wait compares the number of the write since the state was created: one that was created again is the same.",
    "WATCH-3",
    message="has not returned",
    may_break=("WATCH-5", "CAS-11", "CAS-12", "WATCH-1"),
)
class CountsFromItsCreation(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        with self.opened():
            before = self.hub.raw.get(self.key)
            answer = super().set_state(state, token)
            if answer is not None and answer.has_set:
                last: dict[str, int] = vars(self.hub).setdefault("last number", {})
                last[self.key] = 1 if before is None else last[self.key] + 1
                self.numbers()[answer.token] = last[self.key]
            return answer

    def numbers(self) -> dict[Any, int]:
        """Return the number of each write, by its token."""
        numbers: dict[Any, int] = vars(self.hub).setdefault("numbers", {})
        return numbers

    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        ends = time.monotonic() + timeout
        with self.opened():
            while True:
                found = self.hub.registers.get(self.key)
                same = found is not None and self.numbers().get(token, 0) == self.numbers().get(found.token, -1)
                if not (same if token is not None else found is None):
                    return True, found
                if not self.wait_changed(ends):
                    return False, found


@mutant(
    "creations-in-a-gap",
    "A wait for a first state looks, and asks for creations afterwards.",
    "WATCH-5",
    message="that wake-up is lost",
    may_break=(
        "WATCH-2",
        "WATCH-4",
    ),
)
class CreationsInAGap(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        found = self.get_state() if token is None else None
        if token is not None or found is not None or timeout < 1:
            return super().wait_state(token, timeout)
        with self.opened():
            self.wait_changed(time.monotonic() + timeout)
        return super().wait_state(token, 0.0)


@mutant(
    "deletions-in-a-gap",
    "A wait looks, and asks for deletions afterwards.",
    "WATCH-5",
    message="that wake-up is lost",
)
class DeletionsInAGap(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        ends = time.monotonic() + timeout
        found = self.get_state()
        if found is None or not is_token(token, found) or timeout < 1:
            return super().wait_state(token, timeout)
        with self.opened():
            gone = self.hub.raw.get(self.key) is None  # which nobody tells now
            while True:
                found = self.hub.registers.get(self.key)
                if (found is None and not gone) or (found is not None and not is_token(token, found)):
                    return True, found
                if not self.wait_changed(ends):
                    return False, found


class _Pooled(SoundMemory):
    """Its waits need one of so many connections each."""

    AT_ONCE = 10

    def __init__(self, params: RendezvousParameters, hub: MemoryHub | None = None) -> None:
        super().__init__(params, hub)
        self.connections = threading.BoundedSemaphore(self.AT_ONCE)

    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        while not self.connections.acquire(timeout=0.02):
            self._check_open()
        try:
            return super().wait_state(token, timeout)
        finally:
            self.connections.release()


@mutant(
    "ten-connections",
    "A client library's pool has ten connections, and a wait keeps one: the eleventh begins when one has ended.",
    "WATCH-6",
    message="has not returned",
    may_break=("WATCH-8", "LIFE-5", "MEMBER-16", "STORE-7"),
)
class TenConnections(_Pooled):
    pass


@mutant(
    "thirty-two-connections",
    "Waits run on a pool of 32 threads.",
    "WATCH-6",
    message="has not returned",
    may_break=("MEMBER-16", "STORE-7"),
)
class ThirtyTwoConnections(_Pooled):
    AT_ONCE = 32


class _OneByOne(Runner):
    def try_all(self, errands: list[Errand]) -> list[Errand]:
        return [errands[0]] if self.try_once(errands[0]) else []


@mutant(
    "submitted-one-by-one",
    "What is submitted is done one after the other: a wait holds up what comes behind it.",
    "SUBMIT-1",
    message="has not ended",
    may_break=("SUBMIT-2", "SUBMIT-3", "SUBMIT-5"),
)
class SubmittedOneByOne(SubmittingMemory):
    runner_type = _OneByOne


class _LooksOnceASecond(Runner):
    def rest(self, errands: list[Errand]) -> None:
        ends = [errand.ends for errand in errands if errand.ends is not None]
        time.sleep(1.0 if len(ends) == len(errands) and min(ends) > time.monotonic() + 3 else 0.005)


@mutant(
    "submitted-waits-are-looks",
    "A submitted wait looks once a second, where a called one is woken.",
    "SUBMIT-1",
    message="must wake who waits",
    may_break=("SUBMIT-2", "SUBMIT-3", "SUBMIT-5", "LIFE-4"),
)
class SubmittedWaitsAreLooks(SubmittingMemory):
    runner_type = _LooksOnceASecond


@mutant(
    "submitted-for-ever-in-milliseconds",
    "The timeout of a submitted wait is sent as milliseconds in 31 bits.",
    "SUBMIT-1",
    message="ended though nothing had changed",
    may_break=(
        "SUBMIT-2",
        "SUBMIT-4",
    ),
)
class SubmittedForEver(SubmittingMemory):
    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        if method.startswith("wait_"):
            milliseconds = int(min(arguments[1], 1e18) * 1000) & 0x7FFFFFFF
            arguments = (arguments[0], milliseconds / 1000)
        super().submit(method, arguments, done)


@mutant(
    "a-sibling-submits-for-the-run",
    "What is submitted on a sibling is done on the register of the run.",
    "SUBMIT-1",
    message="of a sibling",
    may_break=("SUBMIT-3",),
)
class ASiblingSubmits(SubmittingMemory):
    def sibling(self, purpose: str) -> SoundMemory:
        made = super().sibling(purpose)
        vars(made)["runner"] = self.runner
        return made


@mutant(
    "close-ends-what-others-submitted",
    "What is submitted is kept by the process, and the first close() ends it all.",
    "SUBMIT-3",
    message="of another instance",
    may_break=("SUBMIT-1", "SUBMIT-2", "SUBMIT-5"),
)
class CloseEndsWhatOthersSubmitted(SubmittingMemory):
    everybody: ClassVar[set[Runner]] = set()

    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        self.everybody.add(self.runner)
        super().submit(method, arguments, done)

    def close(self) -> None:
        super().close()
        for runner in [*self.everybody]:
            with runner.lock:
                left, runner.errands = runner.errands, []
            for errand in left:
                errand.done(None, RendezvousConnectionError("closed"))


class _Unguarded(Runner):
    def tell(self, errand: Errand, result: Any, error: Exception | None) -> None:
        errand.done(result, error)


@mutant(
    "done-ends-the-thread",
    "What done raises ends the thread that makes what is submitted.",
    "SUBMIT-5",
    message="has not ended",
)
class DoneEndsTheThread(SubmittingMemory):
    runner_type = _Unguarded


class _Known(Runner):
    thread: threading.Thread | None = None

    def run(self) -> None:
        self.thread = threading.current_thread()
        super().run()


@mutant(
    "close-waits-for-itself",
    "close() waits for the thread that calls done: from within done it waits for itself.",
    "SUBMIT-5",
    message="cannot join current thread",
)
class CloseWaitsForItself(SubmittingMemory):
    runner_type = _Known

    def close(self) -> None:
        super().close()
        thread = self.runner.thread  # type: ignore[attr-defined]
        if thread is not None:
            thread.join(2.0)


MUTANTS = (
    CountsFromItsCreation,
    CreationsInAGap,
    DeletionsInAGap,
    TenConnections,
    ThirtyTwoConnections,
    SubmittedOneByOne,
    SubmittedWaitsAreLooks,
    SubmittedForEver,
    ASiblingSubmits,
    CloseEndsWhatOthersSubmitted,
    DoneEndsTheThread,
    CloseWaitsForItself,
)
