"""Mutants of RDZV-PARAM: what an instance is made from."""

from __future__ import annotations

import copy

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_core import Option, RendezvousParameters, accepts_options


@mutant(
    "any-run-id",
    "The key is made from the run id without looking at it.",
    "PARAM-3",
    message="it must raise a ValueError",
)
class AnyRunId(SoundMemory):
    def __init__(self, params: RendezvousParameters) -> None:
        try:
            super().__init__(params)
        except ValueError:
            there = copy.copy(params)
            there.run_id = "any"
            super().__init__(there)


@accepts_options(Option("read_timeout", str, "60", "seconds to wait for an answer"))
def _unread(params: RendezvousParameters) -> SoundMemory:
    return SoundMemory(params)


@accepts_options(Option("read_timeout", int, 60, "seconds to wait for an answer"))
def _unbounded(params: RendezvousParameters) -> SoundMemory:
    return SoundMemory(params)


MUTANTS = (
    AnyRunId,
    Mutant(
        "unread-timeout",
        "A timeout is declared as text, and nobody reads it before it is needed (E16).",
        ("RDZV-PARAM-2",),
        "read_timeout='ten'",
        _unread,
    ),
    Mutant(
        "unbounded-timeout",
        "A timeout of zero, or below, is taken as it is.",
        ("RDZV-PARAM-2",),
        "read_timeout='0'",
        _unbounded,
    ),
)
