"""A store for the nodes of a round, on one register."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Literal, TypeVar

import msgspec

from rdzv_core._errors import RendezvousStateError
from rdzv_core._fallback.record import Record
from rdzv_core._fallback.registers import Siblings
from rdzv_core._fallback.watch import watch_of
from rdzv_core._map_store import DEFAULT_TIMEOUT, MapStore
from rdzv_core.abc import Token

R = TypeVar("R")


class Values(msgspec.Struct, frozen=True):
    """The register's record: the map of the latest generation that wrote one."""

    generation: int
    data: dict[str, bytes]
    v: Literal[1] = 1


class RegisterStore(MapStore):
    """A `Store` that keeps all its keys in one sibling register, which generation after generation uses.

    The first write of a higher generation empties it; from then on a store of a lower one raises
    `RendezvousStateError`. Every call moves the whole map, which has to fit into the register
    (`max_state_bytes`, values a third longer; else `ValueError`): fit for addresses and small agreements.
    It is one of `siblings`, which the stores of all rounds may share; closing these ends them. Where it `owns` them,
    it closes them.
    """

    def __init__(self, siblings: Siblings, epoch: str, generation: int, owns: bool = True) -> None:
        self._what = f"the store of round {generation} on backend {siblings.backend.name!r}"
        self._generation = generation
        self._siblings, self._owns = siblings, owns
        self._life = siblings.life
        self._register = siblings.sibling(store_purpose(epoch))
        self._record = Record(self._register, Values, self._what)

    def _look(self) -> Mapping[str, bytes]:
        return self._read()[0]

    def _edit(self, edit: Callable[[dict[str, bytes]], R]) -> R:
        for _ in self._life.attempts(DEFAULT_TIMEOUT):
            there, token = self._read()
            values = dict(there)
            answer = edit(values)
            if values == there or self._record.write(Values(self._generation, values), token)[0]:
                return answer
        raise AssertionError("attempts end by an error only")

    def _await(self, ready: Callable[[Mapping[str, bytes]], bool], timeout: float) -> Mapping[str, bytes]:
        deadline = time.monotonic() + timeout
        watch = watch_of(self._register, self._life)
        values, token = self._read()
        while not ready(values) and (left := deadline - time.monotonic()) > 0:
            watch.wait_state(token, left)
            values, token = self._read()
        return values

    def _read(self) -> tuple[Mapping[str, bytes], Token | None]:
        self._life.check()
        there, token = self._record.read()
        if there is None or there.generation < self._generation:
            return {}, token
        if there.generation > self._generation:
            raise RendezvousStateError(
                f"{self._what}: that round is over, round {there.generation} has the store now; call next_rendezvous"
            )
        return there.data, token

    def close(self) -> None:
        """Close the siblings that it owns, which ends waits; one that shares them ends with them. Idempotent."""
        if self._owns:
            self._siblings.close()

    def __repr__(self) -> str:
        return f"<RegisterStore generation {self._generation} on {self._register!r}>"


def store_purpose(epoch: str) -> str:
    """Return the purpose of the register that has the stores of an epoch's rounds."""
    return f"store.{epoch}"
