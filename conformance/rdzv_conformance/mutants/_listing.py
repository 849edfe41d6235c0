"""Mutants of RDZV-LIST: what is listed."""

from __future__ import annotations

import time

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_core import RendezvousStateError, SetStateResult, StateSnapshot, Token


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


@mutant(
    "lists-what-is-not-empty",
    "The listing asks for the length of what is kept, and leaves out what has none.",
    "LIST-1",
    message="the empty state",
)
class ListsWhatIsNotEmpty(SoundMemory):
    def list_keys(self) -> list[str]:
        with self.opened():
            return [key for key in self.hub.registers.raw if not self._is_empty(key)]

    def _is_empty(self, key: str) -> bool:
        try:
            found = self.hub.registers.get(key)
        except RendezvousStateError:
            return False
        return found is None or not found.state


@mutant(
    "lists-a-hundred",
    "The store gives a hundred keys at a time, and nobody asks for the next ones.",
    "LIST-1",
    message="how often list_keys() has",
    may_break=("LIST-2",),
)
class ListsAHundred(SoundMemory):
    def list_keys(self) -> list[str]:
        return super().list_keys()[-100:]


@mutant(
    "a-listing-fails-where-one-is-deleted",
    "The listing goes through the keys while others write, and what has gone since is a KeyError.",
    "LIST-1",
    message="raised KeyError",
)
class AListingFailsWhereOneIsDeleted(SoundMemory):
    def list_keys(self) -> list[str]:
        listed = []
        for key in super().list_keys():
            time.sleep(0)  # a request for each
            with self.opened():
                if self.hub.raw[key]:
                    listed.append(key)
        return listed


@mutant(
    "lists-who-has-members",
    "Whatever is kept of a run is found by the prefix of its keys: one with members and no state is listed.",
    "LIST-2",
    message="saw only a member",
)
class ListsWhoHasMembers(SoundMemory):
    def list_keys(self) -> list[str]:
        with self.opened():
            return [*dict.fromkeys([*self.hub.raw, *self.hub.members])]


class _Remembers(SoundMemory):
    """Some calls leave a row for the key, and the listing shows it."""

    def rows(self) -> list[str]:
        rows: list[str] = vars(self.hub).setdefault("rows", [])
        return rows

    def list_keys(self) -> list[str]:
        return [*dict.fromkeys([*super().list_keys(), *self.rows()])]


@mutant(
    "lists-what-was-refused",
    "A write makes sure that there is a row, and then compares its token: one that is refused leaves an empty row.",
    "LIST-2",
    message="saw only a refused write",
)
class ListsWhatWasRefused(_Remembers):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        if token is not None:
            self.rows().append(self.key)
        return super().set_state(state, token)

    def delete_state(self, token: Token | None = None) -> bool:
        deleted = super().delete_state(token)
        if deleted:
            vars(self.hub)["rows"] = [key for key in self.rows() if key != self.key]
        return deleted


@mutant(
    "lists-what-is-waited-for",
    "A wait subscribes to a node, which it creates where there is none.",
    "LIST-2",
    message="saw only a wait",
)
class ListsWhatIsWaitedFor(_Remembers):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        self.rows().append(self.key)
        return super().wait_state(token, timeout)


MUTANTS = (
    ListsItsOwnRun,
    ListsTheFirstPage,
    ListsWhatWasRead,
    ListsWhatIsNotEmpty,
    ListsAHundred,
    AListingFailsWhereOneIsDeleted,
    ListsWhoHasMembers,
    ListsWhatWasRefused,
    ListsWhatIsWaitedFor,
)
