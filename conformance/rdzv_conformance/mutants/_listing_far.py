"""Mutants of RDZV-LIST at a server: what is listed of other processes' registers."""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from rdzv_conformance.harness.helpers import Helpers
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT, Extension, RemoteStore, SoundRemote, sent
from rdzv_conformance.mutants._settings import Place
from rdzv_core import SetStateResult, SupportsDelete, SupportsListing, Token, accepts_options
from rdzv_core.memory._registers import RegisterTable


class _Keys(Extension):
    """Lists registers."""

    def __init__(self, registers: RegisterTable) -> None:
        self.registers = registers

    def answer(self, request: dict[str, Any], connection: socket.socket) -> dict[str, Any]:  # noqa: ARG002 - as declared
        return {"keys": [*self.registers.raw]}


@contextmanager
def with_listing() -> Iterator[Place]:
    """A server that lists and deletes."""
    registers = RegisterTable()
    with RemoteStore(registers=registers, extension=_Keys(registers)) as store:
        yield Place(store.endpoint, {}, Helpers(expires=False))


class SoundRemoteLists(SoundRemote, SupportsDelete, SupportsListing):
    """A client of it."""

    def list_keys(self) -> list[str]:
        keys: list[str] = self.ask({"list": True})["keys"]
        return keys

    def delete_state(self, token: Token | None = None) -> bool:
        return bool(self.ask({"delete": self.key, "token": sent(token)})["deleted"])


class _Notes(SoundRemoteLists):
    """A process notes the keys that it has written, and those that it has deleted."""

    written: ClassVar[dict[str, dict[str, bool]]] = defaultdict(dict)

    @property
    def notes(self) -> dict[str, bool]:
        return self.written[self.params.endpoint]

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        answer = super().set_state(state, token)
        if answer is not None:
            self.notes[self.key] = True
        return answer

    def delete_state(self, token: Token | None = None) -> bool:
        deleted = super().delete_state(token)
        if deleted:
            self.notes.pop(self.key, None)
        return deleted


class _ListsItsNotes(_Notes):
    def list_keys(self) -> list[str]:
        super().list_keys()
        return [*self.notes]


class _AddsItsNotes(_Notes):
    def list_keys(self) -> list[str]:
        return [*dict.fromkeys([*super().list_keys(), *self.notes])]


def _listing(broken: type[_Notes], name: str, sentence: str, number: str, message: str) -> Mutant:
    factory = accepts_options(READ_TIMEOUT)(lambda params: broken(params))
    return Mutant(name, sentence, (f"RDZV-{number}",), message, factory, (), with_listing)


MUTANTS = (
    _listing(
        _ListsItsNotes,
        "lists-what-it-has-written",
        "A process lists the registers that it has written itself.",
        "LIST-1",
        "written by this process and by another one",
    ),
    _listing(
        _AddsItsNotes,
        "lists-what-others-deleted",
        "A process adds what it has written to what there is, and learns of no deletion but its own.",
        "LIST-2",
        "that another process deleted",
    ),
)
