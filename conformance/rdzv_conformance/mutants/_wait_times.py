"""Mutants of RDZV-WATCH-1, 4, 5 and 8: tokens that a wait cannot take, and times that are not those that were given."""

from __future__ import annotations

import math
import time
from typing import Any

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_core import StateSnapshot, Token


@mutant(
    "an-unhashable-token-is-no-key",
    "Waits are kept by (key, token): a list or a dict is no key, which is a TypeError.",
    "WATCH-1",
    message="raised TypeError",
)
class AnUnhashableTokenIsNoKey(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        waiting: dict[Any, float] = vars(self).setdefault("waiting", {})
        waiting[self.key, token] = timeout
        return super().wait_state(token, timeout)


@mutant(
    "a-wait-takes-texts-and-bytes",
    "The token is encoded for the request as text or bytes; what is neither is an AttributeError.",
    "WATCH-1",
    message="raised AttributeError",
)
class AWaitTakesTextsAndBytes(SoundMemory):
    def wait_state(self, token: Any, timeout: float) -> tuple[bool, StateSnapshot | None]:
        if token is not None and not isinstance(token, bytes):
            token.encode("utf-8", "replace")
        return super().wait_state(token, timeout)


@mutant(
    "whole-seconds-up",
    "The store takes whole seconds, and a timeout is rounded up.",
    "WATCH-4",
    message="in vain took",
    may_break=("WATCH-1", "WATCH-3", "WATCH-2"),
)
class WholeSecondsUp(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        return super().wait_state(token, math.ceil(timeout) if timeout < 1e9 else timeout)


@mutant(
    "a-timer-of-seconds",
    "Waits are ended by a timer that looks once a second.",
    "WATCH-4",
    message="in vain took",
    may_break=("WATCH-1", "WATCH-3", "WATCH-2"),
)
class ATimerOfSeconds(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        return super().wait_state(token, timeout + 0.9 if 0 < timeout < 1e9 else timeout)


@mutant(
    "a-short-time-is-none",
    "A timeout is cut to tenths of a second: of less a wait only looks, and a loop of waits spins.",
    "WATCH-4",
    message="already",
)
class AShortTimeIsNone(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        return super().wait_state(token, math.floor(timeout * 10) / 10 if timeout < 1e9 else timeout)


@mutant(
    "without-time-nothing-changes",
    "Without time a wait only answers whether there is a state: with a token it says that nothing has changed.",
    "WATCH-8",
    message="gave",
    may_break=("WATCH-1", "WATCH-3"),
)
class WithoutTimeNothingChanges(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        found = self.get_state()
        if timeout < 0.001 and token is not None:
            return False, found
        return super().wait_state(token, timeout)


class _Numbered(SoundMemory):
    """Calls of an instance are numbered in so many bits, and an answer is given to whoever has its number."""

    BITS = 8

    def number(self) -> int:
        """Return the next call's number."""
        with self.opened():
            count: int = vars(self).get("count", 0) + 1
            vars(self)["count"] = count
            return count % (1 << self.BITS)

    def get_state(self) -> StateSnapshot | None:
        number, taken = self.number(), vars(self).setdefault("taken", set())
        if number in vars(self).get("waits", ()):
            taken.add(number)
        return super().get_state()

    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        number, ends = self.number(), time.monotonic() + timeout
        waits: set[int] = vars(self).setdefault("waits", set())
        waits.add(number)
        try:
            return self.answered(number, super().wait_state(token, timeout), ends)
        finally:
            waits.discard(number)

    def answered(self, number: int, answer: Any, ends: float) -> tuple[bool, StateSnapshot | None]:
        """Return the answer, unless another call of the number took it."""
        if number in vars(self).get("taken", ()):
            with self.opened():
                while self.wait_changed(min(ends, time.monotonic() + 9.0)):
                    pass
        changed, found = answer
        return changed, found


@mutant(
    "eight-bits-of-a-call",
    "Calls of an instance are numbered in 8 bits: 256 calls after a wait began its answer goes to another one.",
    "WATCH-5",
    message="that came after",
    may_break=("WATCH-6",),
)
class EightBitsOfACall(_Numbered):
    pass


@mutant(
    "six-bits-of-a-call",
    "An instance has 64 places for calls under way, and gives out each in turn whether it is free or not.",
    "WATCH-5",
    message="that came after",
    may_break=("WATCH-6",),
)
class SixBitsOfACall(_Numbered):
    BITS = 6


MUTANTS = (
    AnUnhashableTokenIsNoKey,
    AWaitTakesTextsAndBytes,
    WholeSecondsUp,
    ATimerOfSeconds,
    AShortTimeIsNone,
    WithoutTimeNothingChanges,
    EightBitsOfACall,
    SixBitsOfACall,
)
