"""Mutants of RDZV-LIST: what is listed."""

from __future__ import annotations

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_core import StateSnapshot


@mutant(
    "lists-its-own-run",
    "The listing asks for keys that begin with the run's own.",
    "LIST-1",
    message="how often list_keys() has",
)
class ListsItsOwnRun(SoundMemory):
    def list_keys(self) -> list[str]:
        mine = self.key.rpartition(".")[0]
        return [key for key in super().list_keys() if key.startswith(mine)]


@mutant(
    "lists-the-first-page",
    "The store gives its keys in pages, and only the first one is read.",
    "LIST-1",
    message="how often list_keys() has",
)
class ListsTheFirstPage(SoundMemory):
    def list_keys(self) -> list[str]:
        return super().list_keys()[:5]


@mutant(
    "lists-what-was-read",
    "A read leaves an entry for its key, and the listing shows it.",
    "LIST-2",
    message="that was never written",
)
class ListsWhatWasRead(SoundMemory):
    def get_state(self) -> StateSnapshot | None:
        vars(self)["read"] = True
        return super().get_state()

    def list_keys(self) -> list[str]:
        own = [self.key] if vars(self).get("read") else []
        return [*dict.fromkeys([*super().list_keys(), *own])]


MUTANTS = (ListsItsOwnRun, ListsTheFirstPage, ListsWhatWasRead)
