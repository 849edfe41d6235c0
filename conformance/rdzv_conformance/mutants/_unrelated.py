"""Mutants of RDZV-WATCH-2 and 4: waits that end with what is no change of their own register."""

from __future__ import annotations

import time

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_core import SetStateResult, StateSnapshot, Token
from rdzv_core.memory._registers import is_token

GOES_ON = "which is no change of that register"


class _Told(SoundMemory):
    """A write or deletion is told on the channel `own()`; a wait ends with what `is_told` to it."""

    def own(self) -> str:
        return self.key

    def is_told(self, channel: str) -> bool:
        """Return whether what happened on `channel` ends a wait here."""
        return channel == self.own()

    def answer(self, found: StateSnapshot | None, token: Token | None) -> tuple[bool, StateSnapshot | None]:  # noqa: ARG002
        """Return what a wait gives that was told of something, and found this."""
        return True, found

    def told(self) -> list[str]:
        """Return the channels of all that happened."""
        told: list[str] = vars(self.hub).setdefault("told", [])
        return told

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        with self.opened() as changed:
            answer = super().set_state(state, token)
            if answer is not None and answer.has_set:
                self.told().append(self.own())
                changed.notify_all()
            return answer

    def delete_state(self, token: Token | None = None) -> bool:
        with self.opened() as changed:
            deleted = super().delete_state(token)
            if deleted:
                self.told().append(self.own())
                changed.notify_all()
            return deleted

    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        ends = time.monotonic() + timeout
        with self.opened():
            seen = len(self.told())
            while True:
                found = self.hub.registers.get(self.key)
                if (found is not None) if token is None else (found is None or not is_token(token, found)):
                    return True, found
                if any(self.is_told(channel) for channel in self.told()[seen:]):
                    return self.answer(found, token)
                seen = len(self.told())
                if not self.wait_changed(ends):
                    return False, found


@mutant(
    "watches-what-begins-alike",
    "A wait asks for the keys that begin with the register's own, as a watch on a prefix does.",
    "WATCH-4",
    message=GOES_ON,
    may_break=("WATCH-2", "WATCH-1", "WATCH-3"),
)
class WatchesWhatBeginsAlike(_Told):
    def own(self) -> str:
        return f"{self._params.run_id}{self._params.purpose and '#'}{self._params.purpose}"

    def is_told(self, channel: str) -> bool:
        return channel.startswith(self.own()) and channel != self.own()


@mutant(
    "a-wait-is-of-the-whole-run",
    "There is one channel for a run: who is woken by a sibling's change takes it for the own one's, and looks no more.",
    "WATCH-4",
    message=GOES_ON,
    may_break=("WATCH-2", "WATCH-1", "WATCH-3"),
)
class AWaitIsOfTheWholeRun(_Told):
    def own(self) -> str:
        return self.run

    def answer(self, found: StateSnapshot | None, token: Token | None) -> tuple[bool, StateSnapshot | None]:  # noqa: ARG002
        return False, found


@mutant(
    "any-change-ends-a-wait-in-vain",
    "A wait sleeps once and looks once: whatever is told in the store ends it.",
    "WATCH-4",
    message=GOES_ON,
    may_break=("WATCH-1", "WATCH-2", "WATCH-3", "WATCH-6", "LIFE-5"),
)
class AnyChangeEndsAWaitInVain(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        changed, found = super().wait_state(token, 0.0)
        if changed or timeout <= 0:
            return changed, found
        with self.opened():
            self.wait_changed(time.monotonic() + timeout)
        return super().wait_state(token, 0.0)


@mutant(
    "a-refused-write-ends-waits",
    "Every request to write is announced, also one that was refused, and a wait trusts what is announced.",
    "WATCH-4",
    message=GOES_ON,
    may_break=("WATCH-1", "WATCH-2", "WATCH-3", "WATCH-6"),
)
class ARefusedWriteEndsWaits(_Told):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        with self.opened() as changed:
            answer = super().set_state(state, token)
            if answer is not None and not answer.has_set:
                self.told().append(self.own())
                changed.notify_all()
            return answer


@mutant(
    "none-hears-of-what-is-gone",
    "A wait with None ends with the message that something was created, and reads afterwards: it is gone by then.",
    "WATCH-2",
    message="gave (True, None)",
    may_break=("WATCH-4",),
)
class NoneHearsOfWhatIsGone(_Told):
    pass


@mutant(
    "none-is-woken-in-vain",
    "A wait with None that is woken and finds nothing gives up: the state had been deleted again.",
    "WATCH-2",
    message="already",
    may_break=("WATCH-4",),
)
class NoneIsWokenInVain(_Told):
    def answer(self, found: StateSnapshot | None, token: Token | None) -> tuple[bool, StateSnapshot | None]:
        return (False, None) if token is None else (True, found)


MUTANTS = (
    WatchesWhatBeginsAlike,
    AWaitIsOfTheWholeRun,
    AnyChangeEndsAWaitInVain,
    ARefusedWriteEndsWaits,
    NoneHearsOfWhatIsGone,
    NoneIsWokenInVain,
)
