"""Mutants of RDZV-PKG-4 to 6: where a backend comes from, and what it says it can."""

from __future__ import annotations

from typing import Any

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_core import Store


class Untyped(SoundMemory):
    pass


class ImportsOthers(SoundMemory):
    pass


# The suite asks the class where it comes from: these say another module than this one.
Untyped.__module__ = "json"
ImportsOthers.__module__ = f"{__package__}._imports_others"


@mutant(
    "claims-a-store",
    "The base class is there, its methods are to come.",
    "PKG-6",
    message="claims SupportsStore, but",
    may_break=(
        "LIFE-2",
        "LIFE-3",
        "LIFE-5",
        "LIFE-7",
        "LIST-2",
        "SUBMIT-1",
        "SUBMIT-2",
        "SUBMIT-3",
        "SUBMIT-4",
        "SUBMIT-5",
    ),
)
class ClaimsAStore(SoundMemory):
    def store(self, prefix: str) -> Store:
        raise NotImplementedError(prefix)


@mutant(
    "claims-in-words",
    "The claim to be durable is a text, which is true whatever it says.",
    "PKG-6",
    message="durable is 'no'",
)
class ClaimsInWords(SoundMemory):
    durable: Any = "no"


MUTANTS = (
    mutant("untyped", "The package forgets to ship py.typed.", "PKG-4", message="ships no file py.typed")(Untyped),
    mutant(
        "imports-others",
        "The package loads every backend there is, to be of help: one that is broken breaks them all.",
        "PKG-5",
        message="imports other backends' packages",
    )(ImportsOthers),
    ClaimsAStore,
    ClaimsInWords,
)
