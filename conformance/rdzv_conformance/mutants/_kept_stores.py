"""Mutants of RDZV-DURABLE-1 and 3: what of the registers and of the stores of rounds is there after a kill."""

from __future__ import annotations

import socket
from typing import Any

from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT
from rdzv_conformance.mutants._remote_stores import RemoteMap, SoundRemoteStores, Stores, with_stores
from rdzv_conformance.mutants._settings import Setting
from rdzv_core import SetStateResult, accepts_options
from rdzv_core.memory._registers import RegisterTable


class _InMemory(Stores):
    def restarted(self) -> Stores:
        self.maps = {}
        return self


class _TheLastStore(Stores):
    def restarted(self) -> Stores:
        self.maps = dict(list(self.maps.items())[-1:])
        return self


class _DeletionsAreNotLogged(Stores):
    """Its log has what was set, and a start reads it from the beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.log: dict[str, dict[str, str]] = {}

    def answer(self, request: dict[str, Any], connection: socket.socket) -> dict[str, Any]:
        answer = super().answer(request, connection)
        if answer.get("changed"):
            self.log.setdefault(request["map"], {}).update(request["values"])
        return answer

    def restarted(self) -> Stores:
        self.maps = {name: (self.maps[name][0], dict(values)) for name, values in self.log.items()}
        return self


class _AfterAMoment(Stores):
    """It goes to disk a number of writes late."""

    LATE = 3

    def __init__(self) -> None:
        super().__init__()
        self.versions: dict[str, list[tuple[int, dict[str, str]]]] = {}

    def answer(self, request: dict[str, Any], connection: socket.socket) -> dict[str, Any]:
        answer = super().answer(request, connection)
        if answer.get("changed"):
            self.versions.setdefault(request["map"], []).append(self.maps[request["map"]])
        return answer

    def restarted(self) -> Stores:
        for name, versions in self.versions.items():
            self.maps[name] = versions[-self.LATE] if len(versions) > self.LATE else (0, {})
        return self


class _TheSecondKill(Stores):
    """It reads its log and goes on in a new one, which is not where the next start looks."""

    def __init__(self) -> None:
        super().__init__()
        self.first: dict[str, tuple[int, dict[str, str]]] | None = None

    def restarted(self) -> Stores:
        if self.first is None:
            self.first = dict(self.maps)
        else:
            self.maps = {name: (self.maps[name][0] + 1, values) for name, (_, values) in self.first.items()}
        return self


class _BuffersItsSets(RemoteMap):
    """A client that gathers sets, and has told its caller by then."""

    AT_ONCE = 4

    def set(self, key: str, value: bytes) -> None:
        gathered: dict[str, bytes] = vars(self).setdefault("gathered", {})
        gathered[key] = value
        if len(gathered) >= self.AT_ONCE:
            self._flush()

    def _read(self) -> tuple[int, dict[str, bytes]]:
        self._flush()
        return super()._read()

    def _flush(self) -> None:
        gathered: dict[str, bytes] = vars(self).setdefault("gathered", {})
        sent, vars(self)["gathered"] = gathered, {}
        if sent:
            self._edit(lambda values: values.update(sent))


class _BufferingClient(SoundRemoteStores):
    store_type = _BuffersItsSets


def _the_newest(registers: RegisterTable) -> RegisterTable:
    again = _Ordered()
    again.raw = dict(list(registers.raw.items())[-16:])
    return again


class _Ordered(RegisterTable):
    def set(self, key: str, state: bytes, token: object) -> SetStateResult | None:
        answer = super().set(key, state, token)
        if answer is not None and answer.has_set:
            self.raw[key] = self.raw.pop(key)
        return answer


class _Undeletes(RegisterTable):
    """Its deletions are in memory only."""

    def __init__(self) -> None:
        super().__init__()
        self.deleted: dict[str, bytes] = {}

    def set(self, key: str, state: bytes, token: object) -> SetStateResult | None:
        self.deleted.pop(key, None)
        return super().set(key, state, token)

    def delete(self, key: str, token: object) -> bool:
        raw = self.raw.get(key)
        gone = super().delete(key, token)
        if gone and raw is not None:
            self.deleted[key] = raw
        return gone


def _undeleted(registers: RegisterTable) -> RegisterTable:
    assert isinstance(registers, _Undeletes)
    registers.raw.update(registers.deleted)
    return registers


class _TwoKills(RegisterTable):
    """Keeps what there was at the first kill, and does not write on in the same file."""

    def __init__(self) -> None:
        super().__init__()
        self.at_first: dict[str, bytes] | None = None


def _as_at_first(registers: RegisterTable) -> RegisterTable:
    assert isinstance(registers, _TwoKills)
    again = _TwoKills()
    again.at_first = dict(registers.raw) if registers.at_first is None else registers.at_first
    again.raw = dict(again.at_first)
    return again


def _mutant(
    name: str,
    sentence: str,
    number: str,
    message: str,
    setting: Setting | None = None,
    broken: type[SoundRemoteStores] = SoundRemoteStores,
    may_break: tuple[str, ...] = (),
) -> Mutant:
    factory = accepts_options(READ_TIMEOUT)(lambda params: broken(params))
    may = tuple(f"RDZV-{each}" for each in may_break)
    return Mutant(name, sentence, (f"RDZV-{number}",), message, factory, may, setting or with_stores())


LOST = "that were acknowledged are lost"

MUTANTS = (
    _mutant(
        "stores-in-memory",
        "The registers are on disk, what the stores of rounds hold is not.",
        "DURABLE-3",
        LOST,
        with_stores(_InMemory),
    ),
    _mutant(
        "the-last-store-is-kept",
        "The store that was used last is on disk, the round's before it is not.",
        "DURABLE-3",
        LOST,
        with_stores(_TheLastStore),
    ),
    _mutant(
        "deleted-keys-come-back",
        "The log has what was set; a deletion is not written down.",
        "DURABLE-3",
        "what was deleted does not come back",
        with_stores(_DeletionsAreNotLogged),
    ),
    _mutant(
        "three-sets-late",
        "What is set goes to disk a moment after it was acknowledged.",
        "DURABLE-3",
        "of",
        with_stores(_AfterAMoment),
    ),
    _mutant(
        "stores-of-the-first-start",
        "After a start what is set goes into a new log, which the next start does not read.",
        "DURABLE-3",
        "after kill",
        with_stores(_TheSecondKill),
    ),
    _mutant(
        "sets-are-gathered",
        "A client gathers four sets before it sends them, and has returned by then.",
        "DURABLE-3",
        "whose set had returned when",
        broken=_BufferingClient,
    ),
    _mutant(
        "the-newest-are-kept",
        "What is on disk are the sixteen registers that were written last.",
        "DURABLE-1",
        "holds None",
        with_stores(survives=_the_newest, table=_Ordered),
        may_break=("DURABLE-2", "DURABLE-3"),
    ),
    _mutant(
        "deletions-in-memory",
        "The deletion of a register is not written down: a restart brings it back.",
        "DURABLE-1",
        "before it held None",
        with_stores(survives=_undeleted, table=_Undeletes),
        may_break=("DURABLE-2",),
    ),
    _mutant(
        "as-at-the-first-kill",
        "After a start what is written goes into a new log, which the next start does not read.",
        "DURABLE-1",
        "after kill",
        with_stores(survives=_as_at_first, table=_TwoKills),
        may_break=("DURABLE-2",),
    ),
)
