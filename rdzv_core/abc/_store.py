"""The capability to hold a small key-value store for the nodes of a round."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping


class Store(ABC):
    """A small key-value store shared by the nodes of a round. Thread-safe; keys are text, values bytes.

    Every method raises `RendezvousConnectionError` when the store is out of reach or closed. `get`, `multi_get` and
    `wait` block until every key is there, and raise `RendezvousTimeoutError` naming those that are missing after
    `timeout` seconds (None: the store's default, 300 s).
    """

    @abstractmethod
    def set(self, key: str, value: bytes) -> None:
        """Set `key` to `value`."""

    @abstractmethod
    def get(self, key: str, timeout: float | None = None) -> bytes:
        """Wait for `key` and return its value."""

    @abstractmethod
    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        """Set `key` to `desired` if it is `expected` (None: absent). Returns what is there then, None if nothing."""

    @abstractmethod
    def add(self, key: str, amount: int) -> int:
        """Add to the integer at `key` (absent: 0), kept as decimal text. Returns the sum, or raises `ValueError`."""

    @abstractmethod
    def check(self, keys: Iterable[str]) -> bool:
        """Return whether all of `keys` are there. Never waits."""

    @abstractmethod
    def wait(self, keys: Iterable[str], timeout: float | None = None) -> None:
        """Wait until all of `keys` are there."""

    @abstractmethod
    def delete_key(self, key: str) -> bool:
        """Delete `key`; True if it was there."""

    @abstractmethod
    def num_keys(self) -> int:
        """Return the number of keys."""

    @abstractmethod
    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        """Wait for all of `keys` and return their values in that order."""

    @abstractmethod
    def multi_set(self, items: Mapping[str, bytes]) -> None:
        """Set several keys; readers may see some before the others unless the backend says otherwise."""


class SupportsStore(ABC):
    """A backend that can hold a `Store` for each round."""

    @abstractmethod
    def store(self, prefix: str) -> Store:
        """Return the store of this run named `prefix`; stores of other prefixes and other runs share no key with it."""
