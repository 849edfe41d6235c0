"""A sound backend over TCP whose server keeps the stores of rounds too."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from rdzv_conformance.harness.helpers import Helpers
from rdzv_conformance.mutants._remote import READ_TIMEOUT, Extension, RemoteStore, SoundRemote
from rdzv_conformance.mutants._settings import Place, Setting
from rdzv_core import (
    RendezvousBackend,
    RendezvousConnectionError,
    RendezvousParameters,
    Store,
    SupportsDelete,
    SupportsStore,
    Token,
    accepts_options,
)
from rdzv_core._map_store import MapStore
from rdzv_core.memory._registers import RegisterTable

LOOK_EVERY = 0.02
R = TypeVar("R")


class Stores(Extension):
    """Every store as a map with a version; and the deletion of registers."""

    def __init__(self) -> None:
        self.maps: dict[str, tuple[int, dict[str, str]]] = {}
        self.lock = threading.Lock()
        self.registers: RegisterTable | None = None

    def answer(self, request: dict[str, Any], connection: socket.socket) -> dict[str, Any]:  # noqa: ARG002 - of the interface
        if "delete" in request:
            assert self.registers is not None
            return {"deleted": self.registers.delete(request["delete"], None)}
        with self.lock:
            version, values = self.maps.get(request["map"], (0, {}))
            if request.get("version") == version:
                version, values = self.maps[request["map"]] = self.changed(version, values, request["values"])
                return {"changed": True}
            return {"changed": False, "version": version, "values": values}

    def changed(self, version: int, _: dict[str, str], values: dict[str, str]) -> tuple[int, dict[str, str]]:
        """Return what a map becomes."""
        return version + 1, values


class RemoteMap(MapStore):
    """A map that is read whole, and written whole where nobody else has."""

    def __init__(self, backend: SoundRemoteStores, prefix: str) -> None:
        self._backend, self._name = backend, f"{backend.key}/{prefix}"

    def _read(self) -> tuple[int, dict[str, bytes]]:
        found = self._backend.ask({"map": self._name})
        return found["version"], {key: base64.b64decode(value) for key, value in found["values"].items()}

    def _look(self) -> Mapping[str, bytes]:
        return self._read()[1]

    def _edit(self, edit: Callable[[dict[str, bytes]], R]) -> R:
        while True:
            version, values = self._read()
            answer = edit(values)
            sent = {key: base64.b64encode(value).decode() for key, value in values.items()}
            if self._backend.ask({"map": self._name, "version": version, "values": sent})["changed"]:
                return answer

    def _await(self, ready: Callable[[Mapping[str, bytes]], bool], timeout: float) -> Mapping[str, bytes]:
        ends = time.monotonic() + timeout
        while not ready(values := self._look()) and (left := ends - time.monotonic()) > 0:
            time.sleep(min(left, LOOK_EVERY))
        return values


class SoundRemoteStores(SoundRemote, SupportsStore, SupportsDelete):
    """A client of it. Its server keeps everything when it is killed."""

    durable = True
    store_type: type[RemoteMap] = RemoteMap

    def store(self, prefix: str) -> Store:
        if self.closed:
            raise RendezvousConnectionError(f"backend {self.name!r} at {self.params.endpoint!r} is closed")
        return self.store_type(self, prefix)

    def delete_state(self, token: Token | None = None) -> bool:
        found = self.get_state()
        if found is None or (token is not None and (type(token) is not bytes or token != found.token)):
            return False
        return bool(self.ask({"delete": self.key})["deleted"])


@accepts_options(READ_TIMEOUT)
def sound_kept_stores(params: RendezvousParameters) -> RendezvousBackend:
    """Make it."""
    return SoundRemoteStores(params)


def with_stores(
    stores: Callable[[], Stores] = Stores,
    survives: Callable[[RegisterTable], RegisterTable] = lambda registers: registers,
    table: Callable[[], RegisterTable] = RegisterTable,
) -> Setting:
    """A server that keeps registers and stores, and may be killed."""

    @contextmanager
    def setting() -> Iterator[Place]:
        extension = stores()
        registers = extension.registers = table()

        def after(before: RegisterTable) -> RegisterTable:
            left = survives(before)
            extension.registers = left
            return left

        with RemoteStore(survives=after, registers=registers, extension=extension) as store:
            yield Place(store.endpoint, {}, Helpers(restart=store.restart))

    return setting
