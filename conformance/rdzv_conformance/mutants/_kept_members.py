"""Mutants of RDZV-MEMBER-15 and DURABLE-3: what of members and of stores is there after a kill, and how whole."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Callable
from typing import Any

from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT
from rdzv_conformance.mutants._remote_members import Members, SoundKeptMembers, at_server
from rdzv_conformance.mutants._remote_stores import SoundRemoteStores, Stores, with_stores
from rdzv_conformance.mutants._settings import Setting
from rdzv_core import RendezvousBackend, accepts_options
from rdzv_core.memory._members import MemberTable


class _OfTheFirstStart(Members):
    """It reads a run's log and goes on in a new one, which is not where the next start looks."""

    def __init__(self) -> None:
        super().__init__()
        self.first: dict[str, dict[str, Any]] = {}

    def restarted(self) -> Members:
        for run, table in self.tables.items():
            table._entries = dict(self.first.setdefault(run, dict(table._entries)))
        return self


class _Kept(Members):
    """What is kept of a table and of each entry."""

    def keep(self, table: MemberTable) -> None:
        raise NotImplementedError

    def restarted(self) -> Members:
        for table in self.tables.values():
            self.keep(table)
        return self


class _WhatWasLeft(Members):
    def restarted(self) -> Members:
        return self


class _VersionsBeginAgain(_Kept):
    def keep(self, table: MemberTable) -> None:
        table._version = len(table._entries)


class _NoSequences(_Kept):
    def keep(self, table: MemberTable) -> None:
        for entry in table._entries.values():
            entry.sequence = 0


class _PayloadsAsText(_Kept):
    def keep(self, table: MemberTable) -> None:
        for entry in table._entries.values():
            entry.payload = entry.payload.strip(b"\0\n ")


class _OneTtlForAll(_Kept):
    def keep(self, table: MemberTable) -> None:
        for entry in table._entries.values():
            entry.ttl, entry.ends = 60.0, time.monotonic() + 60.0


class _DowntimeCounts(_Kept):
    def keep(self, table: MemberTable) -> None:
        for entry in table._entries.values():
            entry.ends -= 4.0


class _EndsAreNotLogged(Members):
    """That a member has left is in its log; that its ttl was over is not."""

    def __init__(self) -> None:
        super().__init__()
        self.over: list[tuple[str, str, Any]] = []

    def answer(self, request: dict[str, Any], connection: socket.socket) -> dict[str, Any]:
        with self.lock:
            entries = self.tables.setdefault(request["key"], MemberTable())._entries
            over = [each for each in entries.items() if each[1].ends <= time.monotonic()]
            self.over += [(request["key"], *each) for each in over]
        return super().answer(request, connection)

    def restarted(self) -> Members:
        for run, member, entry in self.over:
            entry.ends = time.monotonic() + 60.0
            self.tables[run]._entries[member] = entry
        return self


class _KeptStores(Stores):
    """What is kept of a store's keys."""

    def keep(self, items: dict[str, str]) -> dict[str, str]:
        raise NotImplementedError

    def restarted(self) -> Stores:
        self.maps = {name: (version, self.keep(items)) for name, (version, items) in self.maps.items()}
        return self


class _KeysAsLines(_KeptStores):
    def keep(self, items: dict[str, str]) -> dict[str, str]:
        return {key: value for key, value in items.items() if "\n" not in key}


class _TwoHundredKeys(_KeptStores):
    def keep(self, items: dict[str, str]) -> dict[str, str]:
        return dict(list(items.items())[:200])


class _ValuesAsText(_KeptStores):
    def keep(self, items: dict[str, str]) -> dict[str, str]:
        stripped = {key: base64.b64decode(value).strip(b"\0\n ") for key, value in items.items()}
        return {key: base64.b64encode(value).decode() for key, value in stripped.items()}


class _TwoStores(Stores):
    def restarted(self) -> Stores:
        self.maps = dict(list(self.maps.items())[-2:])
        return self


def _mutant(
    name: str, sentence: str, number: str, message: str, broken: type[RendezvousBackend], setting: Setting
) -> Mutant:
    def made(params: Any) -> RendezvousBackend:
        return broken(params)  # type: ignore[call-arg]

    return Mutant(name, sentence, (f"RDZV-{number}",), message, accepts_options(READ_TIMEOUT)(made), (), setting)


def of_members(name: str, sentence: str, message: str, members: Callable[[], Members]) -> Mutant:
    """Make a mutant of MEMBER-15, whose server keeps its members in a way of its own."""
    return _mutant(name, sentence, "MEMBER-15", message, SoundKeptMembers, at_server(members))


def _stores(name: str, sentence: str, message: str, stores: Callable[[], Stores]) -> Mutant:
    return _mutant(name, sentence, "DURABLE-3", message, SoundRemoteStores, with_stores(stores))


MUTANTS = (
    of_members(
        "members-of-the-first-start",
        "After a start the members are written into a new log, which the next start does not read.",
        "the members after kill 2",
        _OfTheFirstStart,
    ),
    of_members(
        "what-was-left-of-a-ttl",
        "The log says when a lease ends: of each ttl a restart leaves what the kill had left.",
        "had passed before it",
        _WhatWasLeft,
    ),
    of_members(
        "versions-begin-again",
        "The version counts the changes since the start, and the incarnation is kept: it comes again.",
        "is one of before it, of other payloads",
        _VersionsBeginAgain,
    ),
    of_members(
        "sequences-in-memory",
        "Sequence numbers are not on disk: after a restart an older write replaces a later one.",
        "and after an older write",
        _NoSequences,
    ),
    of_members(
        "payloads-as-text",
        "Payloads are lines of a file on disk.",
        "the members after kill 1",
        _PayloadsAsText,
    ),
    of_members(
        "ends-are-not-logged",
        "That a lease has run out is not on disk: a restart brings its member back.",
        "the members after kill 1",
        _EndsAreNotLogged,
    ),
    of_members(
        "one-ttl-after-a-start",
        "The ttl is not on disk: after a restart each member has a minute.",
        "a member with a ttl of",
        _OneTtlForAll,
    ),
    of_members(
        "downtime-counts",
        "The end of a lease is kept as a time of day: what passes while the store is down counts.",
        "had passed before it",
        _DowntimeCounts,
    ),
    _stores(
        "two-stores-are-kept",
        "The two stores that were made last are on disk; a run's nodes may be in three rounds.",
        "are lost in the store",
        _TwoStores,
    ),
    _stores(
        "keys-as-lines",
        "A store is kept as lines: a key with a line's end in it is not read again.",
        "are lost in the store",
        _KeysAsLines,
    ),
    _stores(
        "two-hundred-keys",
        "The record of a store has room for two hundred keys.",
        "are lost in the store",
        _TwoHundredKeys,
    ),
    _stores(
        "values-as-text",
        "Values are kept as text, and stripped when they are read.",
        "have another value in the store",
        _ValuesAsText,
    ),
)
