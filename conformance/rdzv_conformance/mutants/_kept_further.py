"""Mutants of RDZV-DURABLE-1 and 3: whose stores are kept, and what the last call before a kill has changed."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable, Iterable
from typing import Any

from rdzv_conformance.mutants._kept_stores import LOST, _mutant, _undeleted, _Undeletes
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote_stores import Stores, with_stores
from rdzv_core.memory._registers import RegisterTable

AFTER = "what was deleted does not come back"
MOST_BYTES, MOST_OF_A_VALUE = 255, 100_000
Map = tuple[int, dict[str, str]]


class _LastRun(Stores):
    """Only the run that was written last is on disk."""

    def restarted(self) -> Stores:
        runs = [name.rpartition("/")[0] for name in self.maps]
        self.maps = {name: kept for name, kept in self.maps.items() if name.startswith(f"{runs[-1]}/")}
        return self


class _PlainRuns(Stores):
    """Its log has a field of ASCII for the key of a run, in which a key with an underscore is another's."""

    def restarted(self) -> Stores:
        self.maps = {name: kept for name, kept in self.maps.items() if "_" not in name}
        return self


class _ShortNames(Stores):
    """Names in its log have up to 255 bytes: longer keys, and stores of longer prefixes, are not written down."""

    def restarted(self) -> Stores:
        names = [name for name in self.maps if len(name.rpartition("/")[2]) > MOST_BYTES]
        for name in names:
            del self.maps[name]
        for _, values in self.maps.values():
            for key in [key for key in values if len(key.encode()) > MOST_BYTES]:
                del values[key]
        return self


class _ShortValues(Stores):
    """A record of its log has up to 100,000 bytes."""

    def restarted(self) -> Stores:
        for _, values in self.maps.values():
            for key in [key for key, value in values.items() if len(base64.b64decode(value)) > MOST_OF_A_VALUE]:
                del values[key]
        return self


class _SyncedWithTheNext(Stores):
    """A change of some kind goes to disk with the next change of any kind: see `is_late`."""

    def __init__(self) -> None:
        super().__init__()
        self.synced: dict[str, Map] = {}

    def is_late(self, before: dict[str, str], after: dict[str, str]) -> bool:
        """Return whether that change is written down with the next one."""
        raise NotImplementedError

    def answer(self, request: dict[str, Any], connection: socket.socket) -> dict[str, Any]:
        before = dict(self.maps)
        answer = super().answer(request, connection)
        if answer.get("changed"):
            name = request["map"]
            late = self.is_late(before.get(name, (0, {}))[1], self.maps[name][1])
            self.synced = before if late else dict(self.maps)
        return answer

    def restarted(self) -> Stores:
        self.maps = dict(self.synced)
        return self


def _changed(before: dict[str, str], after: dict[str, str]) -> Iterable[str]:
    return [key for key in after if before.get(key) != after[key]]


class _Compared(_SyncedWithTheNext):
    def is_late(self, before: dict[str, str], after: dict[str, str]) -> bool:
        return [*_changed(before, after)] == ["compared last"]


class _Several(_SyncedWithTheNext):
    def is_late(self, before: dict[str, str], after: dict[str, str]) -> bool:
        return len([*_changed(before, after)]) > 1


class _Added(_SyncedWithTheNext):
    def is_late(self, before: dict[str, str], after: dict[str, str]) -> bool:
        return [*_changed(before, after)] == ["added last"]


class _Replaced(_SyncedWithTheNext):
    def is_late(self, before: dict[str, str], after: dict[str, str]) -> bool:
        return before.keys() == after.keys()


class _Deleted(_SyncedWithTheNext):
    def is_late(self, before: dict[str, str], after: dict[str, str]) -> bool:
        return len(after) < len(before)


class _Emptied(_SyncedWithTheNext):
    def is_late(self, before: dict[str, str], after: dict[str, str]) -> bool:  # noqa: ARG002 - of the interface
        return not after


class _UndeletesByToken(_Undeletes):
    """A deletion with a token is in memory only."""

    def delete(self, key: str, token: object) -> bool:
        return super().delete(key, token) if token is not None else RegisterTable.delete(self, key, token)


def _stores(stores: Callable[[], Stores], name: str, sentence: str, message: str = "") -> Mutant:
    return _mutant(name, sentence, "DURABLE-3", message or LOST, with_stores(stores))


MUTANTS = (
    _stores(_LastRun, "stores-of-the-last-run", "What is on disk are the stores of the run that was written last."),
    _stores(_PlainRuns, "stores-of-plain-runs", "The stores of a run whose name is not plain are not in the log."),
    _stores(_Compared, "compared-and-synced-later", "What compare_set sets goes to disk with the next change."),
    _stores(_Several, "set-together-and-synced-later", "What multi_set sets goes to disk with the next change."),
    _stores(_ShortNames, "short-names-are-kept", "A name of more than 255 bytes is not in the log.", "lost"),
    _stores(_ShortValues, "short-values-are-kept", "A value of more than 100,000 bytes is not in the log.", "lost"),
    _stores(_Replaced, "replaced-and-synced-later", "What replaces a value goes to disk with the next change.", "of"),
    _stores(_Deleted, "deleted-and-synced-later", "A key that is deleted goes from disk with the next change.", AFTER),
    _stores(_Emptied, "an-empty-store-is-not-written", "A store without a key has nothing to write down.", AFTER),
    _mutant(
        "deletions-by-token-in-memory",
        "The deletion of a register is written down, but where a token is compared.",
        "DURABLE-1",
        "before it held None",
        with_stores(survives=_undeleted, table=_UndeletesByToken),
        may_break=("DURABLE-2",),
    ),
    _stores(_Added, "added-and-synced-later", "What add makes goes to disk with the next change."),
)
