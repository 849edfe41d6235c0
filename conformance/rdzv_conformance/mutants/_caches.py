"""Mutants of RDZV-STATE-12: reads that are sound within a process, and old in another one."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT, SoundRemote
from rdzv_conformance.mutants._settings import remotely
from rdzv_core import SetStateResult, StateSnapshot, Token, accepts_options

CONNECTIONS = tuple(f"CONN-{number}" for number in (5, 7, 8, 9))
SEEN_TOO = ("CAS-7", "CAS-10", "CAS-13", "CAS-14", *CONNECTIONS, "STATE-6", "STATE-7", "LIFE-2")


class Caches(SoundRemote):
    """Keeps what it read, for all instances of this process; a write of this process is never missed."""

    seconds = 0.05
    kept: ClassVar[dict[tuple[str, str, str], tuple[float, StateSnapshot | None]]] = {}

    @property
    def place(self) -> tuple[str, str, str]:
        return self.name, self.params.endpoint, self.key

    def get_state(self) -> StateSnapshot | None:
        there = self.kept.get(self.place)
        if there is not None and not self.closed and time.monotonic() < there[0] + self.seconds and self.may(there[1]):
            return there[1]
        return self.keep(super().get_state())

    def may(self, found: StateSnapshot | None) -> bool:  # noqa: ARG002 - for subclasses
        """Return whether this may be answered from what is kept."""
        return True

    def keep(self, found: StateSnapshot | None) -> StateSnapshot | None:
        self.kept[self.place] = time.monotonic(), found
        return found

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        answer = super().set_state(state, token)
        self.keep(answer and StateSnapshot(answer.state, answer.token))
        return answer


class CachesForLong(Caches):
    seconds = 5.0


class CachesNothing(Caches):
    """Keeps that there is nothing."""

    seconds = 1.0

    def may(self, found: StateSnapshot | None) -> bool:
        return found is None


class CachesWhileBusy(Caches):
    """Keeps only what is read again and again."""

    seconds = 0.02

    def keep(self, found: StateSnapshot | None) -> StateSnapshot | None:
        before = self.kept.get(self.place)
        return super().keep(found) if before is None or time.monotonic() < before[0] + 1.0 else found


class TrustsRefusals(Caches):
    """Asks when it reads, and keeps what a refused write was told for the read that mostly follows."""

    seconds = 2.0

    def get_state(self) -> StateSnapshot | None:
        there = self.kept.pop(self.place, None)
        if there is not None and not self.closed and time.monotonic() < there[0] + self.seconds:
            return there[1]
        return SoundRemote.get_state(self)

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        answer = SoundRemote.set_state(self, state, token)
        if answer is not None and not answer.has_set:
            self.keep(StateSnapshot(answer.state, answer.token))
        return answer


class RestsOnAReplica(SoundRemote):
    """After a rest its first read goes to a replica that is behind."""

    def ask(self, request: dict[str, Any]) -> Any:
        held = vars(self)
        rested = time.monotonic() - held.get("asked", 0.0) > 0.1
        held["asked"] = time.monotonic()
        answer = super().ask(request)
        if request["state"] is not None or (not rested and request["state"] is None):
            held["replica"] = answer and answer[:2]
        return held.get("replica", answer) if rested and request["state"] is None else answer


def _mutant(broken: type[SoundRemote], name: str, sentence: str) -> Mutant:
    factory = accepts_options(READ_TIMEOUT)(lambda params: broken(params))
    may = tuple(f"RDZV-{number}" for number in SEEN_TOO)
    return Mutant(name, sentence, ("RDZV-STATE-12",), "acknowledged what is read", factory, may, remotely)


MUTANTS = (
    _mutant(Caches, "caches-for-50-ms", "A read is answered from what was read in the last 50 ms."),
    _mutant(CachesForLong, "caches-for-5-s", "A read is answered from what this process saw in the last 5 s."),
    _mutant(CachesNothing, "caches-that-there-is-nothing", "That a key is not there is kept for a second."),
    _mutant(CachesWhileBusy, "caches-while-busy", "What is read again and again is answered from memory for 20 ms."),
    _mutant(TrustsRefusals, "trusts-a-refusal", "What a refused write was told is the answer of the next read."),
    _mutant(RestsOnAReplica, "reads-a-replica-after-a-rest", "A connection that rested goes to a replica first."),
)
