"""What a mutant is, and the list of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from rdzv_core import RendezvousBackend, RendezvousParameters, register


@dataclass(frozen=True)
class Mutant:
    """A broken backend.

    `sentence` says which real bug it stands for. `breaks` are the clauses that must fail, `may_break` those that fail
    too but on which nobody relies: a race that is not always lost, or a clause whose test needs what is broken.
    `message` must appear in the finding of the first clause of `breaks`.
    """

    name: str
    sentence: str
    breaks: tuple[str, ...]
    message: str
    factory: Callable[[RendezvousParameters], RendezvousBackend]
    may_break: tuple[str, ...] = ()
    remote: bool = False

    def __post_init__(self) -> None:
        # What breaks the register as such may be seen by many at once as well, but need not be.
        if any(number.startswith(("RDZV-STATE-", "RDZV-CAS-")) for number in self.breaks):
            object.__setattr__(self, "may_break", (*self.may_break, "RDZV-CAS-11", "RDZV-CAS-12", "RDZV-CAS-13"))


REFERENCES = ("sound-memory", "sound-remote")
"""The backends on which the mutants are made: they pass every clause that a registered backend can."""


def rest_of_baseline() -> frozenset[str]:
    """Give the clauses that fail for whatever is registered in code: it has no entry point."""
    return frozenset({"RDZV-PKG-1"})


@cache
def mutants() -> dict[str, Mutant]:
    """Give every mutant by its name."""
    from rdzv_conformance.mutants import _life, _memory, _network, _options, _states, _tokens, _waits

    del _memory
    found = [m for module in (_states, _tokens, _life, _options, _waits, _network) for m in module.MUTANTS]
    by_name = {mutant.name: mutant for mutant in found}
    if len(by_name) != len(found):
        raise ValueError("two mutants have one name")
    return by_name


def install() -> None:
    """Register every mutant, and the two sound backends, in this process."""
    from rdzv_conformance.mutants._memory import sound_memory
    from rdzv_conformance.mutants._remote import sound_remote

    register("sound-memory", sound_memory)
    register("sound-remote", sound_remote)
    for mutant in mutants().values():
        register(mutant.name, mutant.factory)
