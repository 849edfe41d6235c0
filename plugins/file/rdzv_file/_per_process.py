"""What the instances of a process share by key, for as long as one of them holds it; a forked child begins again."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class PerProcess(Generic[K, V]):
    """Makes a thing for each key when it is first asked for. Thread-safe. To be kept for good, as in a module."""

    def __init__(self, make: Callable[[K], V]) -> None:
        self._make = make
        self._begin()
        # In a forked child: its threads are not there that may have held a lock.
        os.register_at_fork(after_in_child=self._begin)

    def of(self, key: K) -> V:
        """Return the thing of a key; it is there for as long as somebody holds it."""
        thing = self._things.get(key)
        if thing is None:
            with self._making:
                thing = self._things.get(key)
                if thing is None:
                    thing = self._things[key] = self._make(key)
        return thing

    def _begin(self) -> None:
        self._things: WeakValueDictionary[K, V] = WeakValueDictionary()
        self._making = threading.Lock()
