"""The sound backend in memory under a name of its own, and how a mutant is made of it."""

from __future__ import annotations

from collections.abc import Callable

from rdzv_conformance.mutants._catalogue import Mutant
from rdzv_core.memory import MemoryBackend


class SoundMemory(MemoryBackend):
    """The reference backend; `name` is whatever it was selected by, so that subclasses need not say."""

    @property
    def name(self) -> str:
        return self._params.backend

    def sibling(self, purpose: str) -> SoundMemory:
        return type(self)(self._params.for_purpose(purpose))


sound_memory = SoundMemory.from_params


def mutant(
    name: str, sentence: str, *breaks: str, message: str, may_break: tuple[str, ...] = ()
) -> Callable[[type[MemoryBackend]], Mutant]:
    """Turn a class into a mutant; clauses are given without their `RDZV-`."""

    def make(broken: type[MemoryBackend]) -> Mutant:
        return Mutant(name, sentence, _full(breaks), message, broken.from_params, _full(may_break))

    return make


def _full(clauses: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"RDZV-{number}" for number in clauses)
