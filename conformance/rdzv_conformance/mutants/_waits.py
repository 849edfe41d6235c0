"""Mutants of RDZV-WATCH: how one waits."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_core import RendezvousStateError, StateSnapshot, Token


@mutant(
    "a-wait-holds-the-lock",
    "A call that waits holds the lock of the instance (E8).",
    "WATCH-6",
    message="has not returned",
    may_break=("LIFE-3", "LIFE-5", "WATCH-4"),
)
class AWaitHoldsTheLock(SoundMemory):
    def get_state(self) -> StateSnapshot | None:
        with self._one():
            return super().get_state()

    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        with self._one():
            return super().wait_state(token, timeout)

    def _one(self) -> AbstractContextManager[bool]:
        lock: AbstractContextManager[bool] = vars(self).setdefault("lock", threading.RLock())
        return lock


@mutant(
    "a-wait-goes-by-another-one",
    "A wait that begins while another one is on goes by that one: its own token is not looked at.",
    "WATCH-6",
    message="wait_state(stale token) while others wait",
    may_break=("WATCH-1", "WATCH-8", "WATCH-4"),
)
class WaitsAreJoined(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        waits: list[Token | None] = vars(self).setdefault("waits", [])
        waits.append(token)
        try:
            return super().wait_state(waits[0], timeout)
        finally:
            waits.pop()


@mutant(
    "own-deletions-are-not-heard",
    "An instance leaves out what it announces itself: who waits on it is not told of its own deletion.",
    "WATCH-3",
    message="by the waiting instance itself",
)
class OwnDeletionsAreNotHeard(SoundMemory):
    def delete_state(self, token: Token | None = None) -> bool:
        vars(self)["deletes"] = True
        return super().delete_state(token)

    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        ends = time.monotonic() + timeout
        vars(self)["deletes"] = False
        changed, found = super().wait_state(token, timeout)
        while changed and found is None and vars(self)["deletes"] and time.monotonic() < ends:
            changed, found = super().wait_state(None, ends - time.monotonic())
        return changed, found


@mutant(
    "waits-for-other-bytes",
    "A wait compares states, not tokens: it misses a write of equal bytes.",
    "WATCH-1",
    message="after a write of equal bytes",
    may_break=("WATCH-3", "WATCH-2"),
)
class WaitsForOtherBytes(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        ends = time.monotonic() + timeout
        before = self.get_state()
        changed, found = super().wait_state(token, timeout)
        while changed and before and found and found.token != before.token and found.state == before.state:
            if time.monotonic() >= ends:
                return False, found
            changed, found = super().wait_state(found.token, ends - time.monotonic())
        return changed, found


@mutant(
    "half-a-token-is-awaited",
    "A wait compares the first eight bytes of tokens: one that is nearly the current one is taken for it.",
    "WATCH-1",
    message="has not returned",
)
class HalfATokenIsAwaited(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        found = self.get_state()
        if found is not None and type(token) is type(found.token) and token[:8] == found.token[:8]:  # type: ignore[index]
            token = found.token
        return super().wait_state(token, timeout)


@mutant(
    "waits-for-events-only",
    "A wait begins with the next event: what happened since the token was read is missed.",
    "WATCH-1",
    message="has not returned",
    may_break=("WATCH-2", "WATCH-3", "WATCH-5", "LIFE-3", "WATCH-6"),
)
class WaitsForEventsOnly(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:  # noqa: ARG002 - that is the fault
        found = self.get_state()
        return super().wait_state(found and found.token, timeout)


@mutant(
    "deletion-goes-unseen",
    "A wait goes on when the state is deleted: there is no event for it.",
    "WATCH-3",
    message="after a deletion",
    may_break=("WATCH-1",),
)
class DeletionGoesUnseen(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        ends = time.monotonic() + timeout
        changed, found = super().wait_state(token, timeout)
        if changed and found is None:
            return super().wait_state(None, max(0.0, ends - time.monotonic()))
        return changed, found


@mutant(
    "gives-up-early",
    "A wait returns after the store's own short polling interval.",
    "WATCH-4",
    message="gave up after",
    may_break=("LIFE-3", "WATCH-1", "WATCH-2", "WATCH-3", "WATCH-5", "WATCH-6", "WATCH-7"),
)
class GivesUpEarly(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        return super().wait_state(token, min(timeout, 0.05))


@mutant(
    "looks-then-listens",
    "A wait reads the state first and asks for events afterwards: a change in between wakes nobody.",
    "WATCH-5",
    message="has not returned",
    may_break=("WATCH-1", "WATCH-2", "WATCH-3"),
)
class LooksThenListens(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        found = self.get_state()
        if found is None or found.token != token:
            return super().wait_state(token, timeout)
        time.sleep(0.001)  # the way to the store
        now = self.get_state()
        return super().wait_state(now and now.token, timeout)


@mutant(
    "none-is-a-token",
    "A wait takes None for a token that is not the current one, and returns at once.",
    "WATCH-2",
    "WATCH-4",
    message="returned though there was no state",
)
class NoneIsAToken(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        return super().wait_state(b"none" if token is None else token, timeout)


@mutant(
    "waits-over-corruption",
    "A wait takes what it cannot read for no change, and goes on.",
    "WATCH-7",
    message="it must raise a RendezvousStateError",
)
class WaitsOverCorruption(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        try:
            return super().wait_state(token, timeout)
        except RendezvousStateError:
            return False, None


MUTANTS = (
    WaitsOverCorruption,
    AWaitHoldsTheLock,
    WaitsAreJoined,
    OwnDeletionsAreNotHeard,
    WaitsForOtherBytes,
    HalfATokenIsAwaited,
    WaitsForEventsOnly,
    DeletionGoesUnseen,
    GivesUpEarly,
    LooksThenListens,
    NoneIsAToken,
)
