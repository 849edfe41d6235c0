"""Mutants of RDZV-CONN-4 and 5 and STORE-3: members and stores on a store that is silent, gone, or loses an answer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT, SoundRemote
from rdzv_conformance.mutants._remote_members import LOOK_EVERY, SoundRemoteMembers, at_server
from rdzv_conformance.mutants._remote_stores import RemoteMap, SoundRemoteStores, with_stores
from rdzv_core import RendezvousConnectionError, Token, accepts_options


class _WaitsForEver(SoundRemote):
    """Its requests that have `of_kind` have no timeout."""

    of_kind = ""

    def ask(self, request: dict[str, Any]) -> Any:
        if self.of_kind not in request:
            return super().ask(request)
        before, self.of_thread.ends = vars(self.of_thread).get("ends"), math.inf
        try:
            return super().ask(request)
        finally:
            self.of_thread.ends = before


class _StoresWaitForEver(_WaitsForEver, SoundRemoteStores):
    durable = False
    of_kind = "map"


class _MembersWaitForEver(_WaitsForEver, SoundRemoteMembers):
    of_kind = "do"


class _StoresNeverReconnect(SoundRemoteStores):
    durable = False

    def ask(self, request: dict[str, Any]) -> Any:
        if "map" in request and vars(self).get("lost"):
            raise RendezvousConnectionError(f"stores of {self.params.endpoint!r}: the pool is closed") from OSError()
        try:
            return super().ask(request)
        except RendezvousConnectionError:
            vars(self)["lost"] = "map" in request
            raise


class _InVainOnSilence(RemoteMap):
    def _await(self, ready: Callable[[Mapping[str, bytes]], bool], timeout: float) -> Mapping[str, bytes]:
        try:
            return super()._await(ready, timeout)
        except RendezvousConnectionError:
            return {}


class _AddsAgain(RemoteMap):
    def add(self, key: str, amount: int) -> int:
        try:
            return super().add(key, amount)
        except RendezvousConnectionError:
            return super().add(key, amount)


class _DeletesAgain(RemoteMap):
    def delete_key(self, key: str) -> bool:
        try:
            return super().delete_key(key)
        except RendezvousConnectionError:
            return super().delete_key(key)


class _MembersInVainOnSilence(SoundRemoteMembers):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        try:
            return super().wait_members(version, timeout)
        except RendezvousConnectionError:
            return False


class _WaitsOnALostConnection(SoundRemoteMembers):
    """A wait whose connection was lost waits on, and looks when its time is over."""

    def wait_members(self, version: Token | None, timeout: float) -> bool:
        ends = time.monotonic() + timeout
        try:
            return super().wait_members(version, timeout)
        except RendezvousConnectionError:
            while not self.closed and time.monotonic() < ends:
                time.sleep(LOOK_EVERY)
            return self.members().version != version


def _of(client: type[SoundRemote], name: str, sentence: str, clause: str, message: str) -> Mutant:
    factory = accepts_options(READ_TIMEOUT)(lambda params: client(params))
    setting = at_server() if issubclass(client, SoundRemoteMembers) else with_stores()
    others = tuple(f"RDZV-{each}" for each in ("CONN-3", "CONN-4", "CONN-5", "LIFE-3", "LIFE-7") if each != clause)
    return Mutant(name, sentence, (f"RDZV-{clause}",), message, factory, others, setting)


def _of_stores(broken: type[RemoteMap], name: str, sentence: str, clause: str, message: str) -> Mutant:
    class Client(SoundRemoteStores):
        durable = False
        store_type = broken

    return _of(Client, name, sentence, clause, message)


MUTANTS = (
    _of(
        _StoresWaitForEver,
        "stores-wait-for-ever",
        "The requests of stores have no timeout.",
        "CONN-4",
        "has not returned after",
    ),
    _of(
        _MembersWaitForEver,
        "members-wait-for-ever",
        "The requests of members have no timeout.",
        "CONN-4",
        "has not returned after",
    ),
    _of(
        _MembersInVainOnSilence,
        "members-in-vain-on-silence",
        "wait_members takes a store that does not answer for one that has nothing to tell.",
        "CONN-4",
        "wait_members, while which the store fell silent, gave False",
    ),
    _of_stores(
        _InVainOnSilence,
        "gets-in-vain-on-silence",
        "A get on a store that does not answer ends as if the key were not there.",
        "CONN-4",
        "of a store, while which the store fell silent, gave False",
    ),
    _of(
        _StoresNeverReconnect,
        "stores-never-reconnect",
        "Stores have a connection of their own, which is made once.",
        "CONN-5",
        "still raises",
    ),
    _of(
        _WaitsOnALostConnection,
        "waits-on-a-lost-connection",
        "A wait for members does not notice that its connection was lost.",
        "CONN-5",
        "wait_members, whose connection was lost, has not returned",
    ),
    _of_stores(
        _AddsAgain,
        "adds-again",
        "add is made again where its answer was lost: a barrier counts a rank twice.",
        "STORE-3",
        "add, whose answer was lost, gave 2",
    ),
    _of_stores(
        _DeletesAgain,
        "deletes-again",
        "delete_key is made again where its answer was lost, and there is nothing to delete any more.",
        "STORE-3",
        "delete_key, whose answer was lost, gave False",
    ),
)
