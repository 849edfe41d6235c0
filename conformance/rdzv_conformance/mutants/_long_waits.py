"""Mutants of RDZV-WATCH-1 and 4, MEMBER-7, STORE-2, 13 and SUBMIT-1: some other time ends a wait, or makes it deaf."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT
from rdzv_conformance.mutants._store_calls import store_mutant
from rdzv_conformance.mutants._submit import SubmittingMemory
from rdzv_core import RendezvousConnectionError, RendezvousParameters, StateSnapshot, Token, accepts_options
from rdzv_core.abc import OnDone
from rdzv_core.memory._store import MemoryStore

FIVE = 5.0
DEAF = 4.5


def _with_a_timeout(kind: Callable[[RendezvousParameters], SoundMemory]) -> Any:
    return accepts_options(READ_TIMEOUT)(lambda params: kind(params))


class AWaitWithinTheReadTimeout(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        most = READ_TIMEOUT.of(self._params)
        changed, found = super().wait_state(token, min(timeout, most))
        if not changed and timeout > most:
            raise RendezvousConnectionError(f"no answer within {most} s")
        return changed, found


class AWaitOfTheReadTimeoutAtMost(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        return super().wait_state(token, min(timeout, READ_TIMEOUT.of(self._params)))


class ASubmittedWaitOfTheReadTimeout(SubmittingMemory):
    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        if method == "wait_state" and len(arguments) == 2 and isinstance(arguments[1], (int, float)):
            arguments = (arguments[0], min(arguments[1], READ_TIMEOUT.of(self._params)))
        super().submit(method, arguments, done)


@mutant(
    "a-watch-lasts-two-and-a-half-seconds",
    "The subscription of a wait is one for 2.5 s, and nobody renews it.",
    "WATCH-1",
    message="that had rested for",
    may_break=("WATCH-4",),
)
class AWatchLastsTwoAndAHalfSeconds(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        ends = time.monotonic() + timeout
        changed, found = super().wait_state(token, min(timeout, 2.5))
        if changed or timeout <= 2.5:
            return changed, found
        with self.opened():
            while self.wait_changed(ends):
                pass
        return super().wait_state(token, 0.0)


@mutant(
    "a-wait-of-five-seconds-at-most",
    "A wait is one request, for which the client has five seconds.",
    "WATCH-4",
    message="gave up after",
    may_break=("WATCH-1",),
)
class AWaitOfFiveSecondsAtMost(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        return super().wait_state(token, min(timeout, FIVE))


@mutant(
    "wait-members-for-five-seconds-at-most",
    "A wait for members is one request, for which the client has five seconds.",
    "MEMBER-7",
    message="gave up after",
)
class MembersForFiveSeconds(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        return super().wait_members(version, min(timeout, FIVE))


@mutant(
    "wait-members-goes-deaf",
    "A subscription to the members of a run is one for 4.5 s, and nobody renews it.",
    "MEMBER-7",
    message="that had rested for",
)
class WaitMembersGoesDeaf(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        if super().wait_members(version, min(timeout, DEAF)):
            return True
        threading.Event().wait(max(0.0, timeout - DEAF))
        return super().wait_members(version, 0.0)


class _KeysForFiveSeconds(MemoryStore):
    def _await(self, ready: Callable[[Mapping[str, bytes]], bool], timeout: float) -> Mapping[str, bytes]:
        return super()._await(ready, min(timeout, FIVE))


class _KeysGoDeaf(MemoryStore):
    def _await(self, ready: Callable[[Mapping[str, bytes]], bool], timeout: float) -> Mapping[str, bytes]:
        if timeout <= DEAF or ready(found := super()._await(ready, DEAF)):
            return super()._await(ready, min(timeout, DEAF)) if timeout <= DEAF else found
        threading.Event().wait(timeout - DEAF)
        return super()._await(ready, 0.0)


@mutant(
    "a-submitted-wait-of-five-seconds-at-most",
    "Submitted waits for a state are looked after for five seconds.",
    "SUBMIT-1",
    message="gave up after",
)
class ASubmittedWaitOfFiveSeconds(SubmittingMemory):
    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        if method == "wait_state" and len(arguments) == 2 and isinstance(arguments[1], (int, float)):
            arguments = (arguments[0], min(arguments[1], FIVE))
        super().submit(method, arguments, done)


MUTANTS = (
    Mutant(
        "a-wait-within-the-read-timeout",
        "A wait is one request, and the socket's timeout ends it with an error though the store is well.",
        ("RDZV-WATCH-4",),
        "the store is well",
        _with_a_timeout(AWaitWithinTheReadTimeout),
        may_break=("RDZV-WATCH-1",),
    ),
    Mutant(
        "a-wait-of-the-read-timeout-at-most",
        "A wait is one request of at most the read timeout, and nobody asks again.",
        ("RDZV-WATCH-4",),
        "gave up after",
        _with_a_timeout(AWaitOfTheReadTimeoutAtMost),
        may_break=("RDZV-WATCH-1",),
    ),
    Mutant(
        "a-submitted-wait-of-the-read-timeout-at-most",
        "A submitted wait is over when the read timeout is, in vain.",
        ("RDZV-SUBMIT-1",),
        "gave up after",
        _with_a_timeout(ASubmittedWaitOfTheReadTimeout),
    ),
    AWatchLastsTwoAndAHalfSeconds,
    AWaitOfFiveSecondsAtMost,
    MembersForFiveSeconds,
    WaitMembersGoesDeaf,
    ASubmittedWaitOfFiveSeconds,
    store_mutant(
        "keys-are-awaited-for-five-seconds-at-most",
        "get is one request, for which the client has five seconds.",
        "STORE-13",
        message="gave up after",
        broken=_KeysForFiveSeconds,
        may_break=("STORE-2",),
    ),
    store_mutant(
        "keys-go-deaf",
        "A subscription to the keys of a store is one for 4.5 s, and nobody renews it.",
        "STORE-2",
        message="that had rested for",
        broken=_KeysGoDeaf,
    ),
)
