"""Mutants of RDZV-CONN-4: a timeout that is given to each step of a call."""

from __future__ import annotations

import time

from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT, SoundRemote
from rdzv_conformance.mutants._settings import remotely
from rdzv_core import SetStateResult, StateSnapshot, Token, accepts_options

TRICKLES = "whose answer comes byte by byte, has not returned"


class _ATimeoutForEachStep(SoundRemote):
    """Sees whether the store is well, reads, and sees whether nothing has changed meanwhile."""

    def get_state(self) -> StateSnapshot | None:
        super().get_state()
        found = super().get_state()
        again = super().get_state()
        return found if again == found else again


class _ReadsBeforeItWrites(SoundRemote):
    """Compares by itself first, to spare the store what it would refuse."""

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        super().get_state()
        return super().set_state(state, token)


class _GreetsForLong(SoundRemote):
    """A new connection is greeted, and asked for its version and for its rights, before it carries a request."""

    def introduce(self) -> None:
        for _ in range(3):
            self.ends = time.monotonic() + (self.timeout or 0.0)
            self.converse({"key": "greeting", "state": None, "token": None})


class _ATimeoutForEachPart(SoundRemote):
    """Each recv may take the whole timeout: an answer that trickles in is never late."""

    def time_left(self) -> float | None:
        return self.timeout


class _TrickledAnswersAreInTime(SoundRemote):
    """Its time begins anew with each part of an answer that comes."""

    def time_left(self) -> float | None:
        left = super().time_left()
        if left is not None and self.timeout is not None:
            self.ends += 0.9 * (self.timeout - left)
        return left


def _mutant(
    broken: type[SoundRemote], name: str, sentence: str, message: str = "A timeout is that of the whole call"
) -> Mutant:
    factory = accepts_options(READ_TIMEOUT)(lambda params: broken(params))
    return Mutant(
        name,
        sentence,
        ("RDZV-CONN-4",),
        message,
        factory,
        ("RDZV-CONN-1", "RDZV-CONN-3", "RDZV-CONN-5"),
        remotely,
    )


MUTANTS = (
    _mutant(
        _ATimeoutForEachStep,
        "a-timeout-for-each-step",
        "A read is three requests, each of which may take the whole timeout.",
    ),
    _mutant(
        _ReadsBeforeItWrites,
        "reads-before-it-writes",
        "A write is a read and a write, each of which may take the whole timeout.",
    ),
    _mutant(
        _ATimeoutForEachPart,
        "a-timeout-for-each-part",
        "Each recv may take the whole timeout: an answer that comes byte by byte is never late.",
        TRICKLES,
    ),
    _mutant(
        _TrickledAnswersAreInTime,
        "who-trickles-gets-more-time",
        "The time of a call is made longer with each part of its answer.",
        TRICKLES,
    ),
    _mutant(
        _GreetsForLong,
        "greets-for-long",
        "To connect takes several answers, each of which may take the whole timeout, and then comes the call.",
    ),
)
