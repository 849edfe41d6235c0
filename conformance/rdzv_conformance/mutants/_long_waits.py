"""Mutants of RDZV-WATCH-1 and 4 and SUBMIT-1: waits that end, or go deaf, when some other time is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT
from rdzv_conformance.mutants._submit import SubmittingMemory
from rdzv_core import RendezvousConnectionError, RendezvousParameters, StateSnapshot, Token, accepts_options
from rdzv_core.abc import OnDone


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
        "without a change",
        _with_a_timeout(ASubmittedWaitOfTheReadTimeout),
    ),
    AWatchLastsTwoAndAHalfSeconds,
)
