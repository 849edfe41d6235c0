"""The key-value store of a round, in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from rdzv_core._map_store import MapStore
from rdzv_core.memory._hub import MemoryHub

R = TypeVar("R")


class Home(Protocol):
    """What a store needs of its backend."""

    hub: MemoryHub
    run: str

    def opened(self) -> AbstractContextManager[threading.Condition]:
        """Hold the hub's lock, if this instance may be used."""

    def wait_changed(self, deadline: float) -> bool:
        """Wait, the lock being held, for a change or until `deadline`."""


class MemoryStore(MapStore):
    """A map of the hub; lives and closes with its backend."""

    def __init__(self, backend: Home, prefix: str) -> None:
        self._backend = backend
        self._prefix = prefix

    def _values(self) -> dict[str, bytes]:
        return self._backend.hub.stores[self._backend.run, self._prefix]

    def _look(self) -> Mapping[str, bytes]:
        with self._backend.opened():
            return dict(self._values())

    def _edit(self, edit: Callable[[dict[str, bytes]], R]) -> R:
        with self._backend.opened() as changed:
            answer = edit(self._values())
            changed.notify_all()
            return answer

    def _await(self, ready: Callable[[Mapping[str, bytes]], bool], timeout: float) -> Mapping[str, bytes]:
        deadline = time.monotonic() + timeout
        with self._backend.opened():
            while not ready(self._values()) and self._backend.wait_changed(deadline):
                pass
            return dict(self._values())

    def __repr__(self) -> str:
        return f"<MemoryStore {self._prefix!r} of {self._backend!r}>"
