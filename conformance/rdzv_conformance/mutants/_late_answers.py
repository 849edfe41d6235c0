"""Mutants of RDZV-CONN-4: a timeout that is given to each step of a call."""

from __future__ import annotations

from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT, SoundRemote
from rdzv_conformance.mutants._settings import remotely
from rdzv_core import SetStateResult, StateSnapshot, Token, accepts_options


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
            self.converse({"key": "greeting", "state": None, "token": None})


def _mutant(broken: type[SoundRemote], name: str, sentence: str) -> Mutant:
    factory = accepts_options(READ_TIMEOUT)(lambda params: broken(params))
    return Mutant(
        name,
        sentence,
        ("RDZV-CONN-4",),
        "A timeout is that of the whole call",
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
        _GreetsForLong,
        "greets-for-long",
        "To connect takes several answers, each of which may take the whole timeout, and then comes the call.",
    ),
)
