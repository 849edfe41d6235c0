"""What a run remembers beside its head: its first failures and its latest rounds, in a sibling register.

Best effort, for people: written by `rdzv run` (at most once for each round that forms, and once for each in which a
command fails), read by `rdzv status`. Nothing is ever decided by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from rdzv_core._decoders import decoder
from rdzv_core._errors import RendezvousError
from rdzv_core.abc import RendezvousBackend, SupportsDelete

PURPOSE = "history"
MOST_ROUNDS = 16
MOST_STDERR_BYTES = 2048
_MOST_WHY = 200
_ATTEMPTS = 20


@dataclass(frozen=True)
class Failure:
    """How the command of a `rdzv run` failed: `status` is its exit status, or minus the number of its signal.

    `time` is that node's time of day, in seconds since 1970. `stderr` holds its last lines where they could be read.
    """

    node_id: str
    addr: str
    round: int
    rank: int
    status: int
    time: float
    stderr: str = ""


@dataclass(frozen=True)
class PastRound:
    """A round that formed with `size` nodes at `time` (seconds since 1970); `why` says what ended the one before."""

    round: int
    size: int
    time: float
    why: str = ""


@dataclass(frozen=True)
class History:
    """What is remembered of an epoch: of failures the run's first, and the first of the last round that had one."""

    epoch: str
    first_failure: Failure | None = None
    last_failure: Failure | None = None
    rounds: tuple[PastRound, ...] = ()

    def failed(self, failure: Failure) -> History | None:
        """Return the history with this failure in it; None where that changes nothing: an earlier one stands there."""
        last = self.last_failure
        if last is not None and last.round >= failure.round:
            return None
        failure = replace(failure, stderr=_end_of(failure.stderr))
        return replace(self, first_failure=self.first_failure or failure, last_failure=failure)

    def formed(self, past: PastRound) -> History | None:
        """Return the history with this round in it; None where it is there already."""
        if self.rounds and self.rounds[-1].round >= past.round:
            return None
        past = replace(past, why=past.why[:_MOST_WHY])
        return replace(self, rounds=(*self.rounds, past)[-MOST_ROUNDS:])


def note(register: RendezvousBackend, epoch: str, change: Callable[[History], History | None]) -> History:
    """Write what `change` makes of an epoch's history, and return what is there then. Raises what the store raises."""
    for _ in range(_ATTEMPTS):
        snapshot = register.get_state()
        there = _read(snapshot[0] if snapshot else None, epoch)
        changed = change(there)
        if changed is None:
            return there
        result = register.set_state(msgspec.json.encode(changed), snapshot[1] if snapshot else None)
        if result is not None and result[2]:
            return changed
    return there


def remove_history(backend: RendezvousBackend) -> int:
    """Remove what is remembered of a run; return how many registers that were. Raises what the store raises."""
    register = backend.sibling(PURPOSE)
    try:
        return int(isinstance(register, SupportsDelete) and register.delete_state())
    finally:
        register.close()


class HistoryReader:
    """Reads a run's history as often as it is asked to; what cannot be read is empty. For one thread."""

    def __init__(self, backend: RendezvousBackend) -> None:
        self._backend = backend
        self._register: RendezvousBackend | None = None

    def read(self, epoch: str) -> History:
        """Return what is remembered of this epoch."""
        try:
            if self._register is None:
                self._register = self._backend.sibling(PURPOSE)
            snapshot = self._register.get_state()
        except RendezvousError:
            return History(epoch)
        return _read(snapshot[0] if snapshot else None, epoch)

    def close(self) -> None:
        """Release the register."""
        register, self._register = self._register, None
        if register is not None:
            register.close()


def _read(state: bytes | None, epoch: str) -> History:
    """Return what a register holds, if it is of this epoch and can be read; else nothing: it is written over."""
    if state is None:
        return History(epoch)
    try:
        found = _decode(state)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return History(epoch)
    return found if found.epoch == epoch else History(epoch)


def _end_of(text: str) -> str:
    return text.encode("utf-8", "replace")[-MOST_STDERR_BYTES:].decode("utf-8", "ignore")


_decode = decoder(History)
