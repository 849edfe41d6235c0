"""What a mutant is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rdzv_conformance.mutants._settings import Setting, in_memory
from rdzv_core import RendezvousBackend, RendezvousParameters

OF_THE_REGISTER = ("RDZV-STATE-", "RDZV-CAS-", "RDZV-RUN-", "RDZV-LIFE-", "RDZV-CONN-")
NEED_A_REGISTER = tuple(
    f"RDZV-{number}"
    for number in ["STATE-3", "STATE-4", "STATE-10", "STATE-11", "STATE-12", "CAS-15", "CONN-10", "CONN-11"]
)
"""Clauses whose tests write, read and wait for long, by many: whatever is wrong with a register may be seen there."""

NEED_A_STORE = tuple(f"RDZV-STORE-{number}" for number in (6, 7, 8, 9, 10, 11, 12, 13, 14))
NEED_A_WAIT = ("RDZV-WATCH-5", "RDZV-WATCH-8")
NEED_MEMBERS = ("RDZV-MEMBER-17", "RDZV-MEMBER-18", "RDZV-MEMBER-19", "RDZV-MEMBER-20")


@dataclass(frozen=True)
class Mutant:
    """A broken backend.

    `sentence` says which real bug it stands for. `breaks` are the clauses that must fail, `may_break` those that fail
    too but need not: a race that is not always lost, or a clause whose test needs what is broken.
    `message` must appear in the finding of the first clause of `breaks`; one of several, where it is chance which of
    them is found.
    """

    name: str
    sentence: str
    breaks: tuple[str, ...]
    message: str | tuple[str, ...]
    factory: Callable[[RendezvousParameters], RendezvousBackend]
    may_break: tuple[str, ...] = ()
    setting: Setting = in_memory
    in_a_child: bool = False
    """Tried as `rdzv certify` does it, in a process that it may take along; in the setting `in_memory` only."""

    def __post_init__(self) -> None:
        # What breaks the register as such may be seen by many at once as well, but need not be.
        if any(number.startswith(("RDZV-STATE-", "RDZV-CAS-")) for number in self.breaks):
            object.__setattr__(self, "may_break", (*self.may_break, "RDZV-CAS-11", "RDZV-CAS-12", "RDZV-CAS-13"))
        if any(number.startswith(OF_THE_REGISTER) for number in self.breaks):
            object.__setattr__(self, "may_break", (*self.may_break, *NEED_A_REGISTER))
        if any(number.startswith("RDZV-STORE-") for number in self.breaks):
            object.__setattr__(self, "may_break", (*self.may_break, *NEED_A_STORE))
        if any(number.startswith("RDZV-WATCH-") for number in self.breaks):
            object.__setattr__(self, "may_break", (*self.may_break, *NEED_A_WAIT))
        if any(number.startswith("RDZV-MEMBER-") for number in self.breaks):
            object.__setattr__(self, "may_break", (*self.may_break, *NEED_MEMBERS))
        # The tests of LIST write registers of several runs and purposes: they need what these clauses are about.
        if any(number.startswith(("RDZV-STATE-", "RDZV-CAS-", "RDZV-RUN-")) for number in self.breaks):
            object.__setattr__(self, "may_break", (*self.may_break, "RDZV-LIST-1", "RDZV-LIST-2"))
