"""What every `Store` that is a map does alike; where the map lives is the subclass's."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from rdzv_core._errors import RendezvousTimeoutError
from rdzv_core.abc import Store
from rdzv_core.validation import checked_key, checked_keys, checked_value

R = TypeVar("R")

DEFAULT_TIMEOUT = 300.0
"""Seconds that `get`, `multi_get` and `wait` wait when they are not told how long."""


class MapStore(Store):
    """A `Store` over three primitives: look at the map, edit it atomically, and wait for it to satisfy something."""

    @abstractmethod
    def _look(self) -> Mapping[str, bytes]:
        """Return the map as it is now; the caller does not change it."""

    @abstractmethod
    def _edit(self, edit: Callable[[dict[str, bytes]], R]) -> R:
        """Let `edit` change the map, and return its answer. It is called again, on a newer map, until it is first."""

    @abstractmethod
    def _await(self, ready: Callable[[Mapping[str, bytes]], bool], timeout: float) -> Mapping[str, bytes]:
        """Return the map as soon as it is `ready`, or as it is after `timeout` seconds."""

    def set(self, key: str, value: bytes) -> None:
        self.multi_set({key: value})

    def get(self, key: str, timeout: float | None = None) -> bytes:
        return self.multi_get([key], timeout)[0]

    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        wanted = checked_value(checked_key(key), desired)

        def edit(values: dict[str, bytes]) -> bytes | None:
            if values.get(key) == expected:
                values[key] = wanted
            return values.get(key)

        return self._edit(edit)

    def add(self, key: str, amount: int) -> int:
        checked_key(key)

        def edit(values: dict[str, bytes]) -> int:
            total = _integer(key, values.get(key, b"0")) + amount
            values[key] = b"%d" % total
            return total

        return self._edit(edit)

    def check(self, keys: Iterable[str]) -> bool:
        return not _missing(self._look(), checked_keys(keys))

    def wait(self, keys: Iterable[str], timeout: float | None = None) -> None:
        self.multi_get(keys, timeout)

    def delete_key(self, key: str) -> bool:
        return self._edit(lambda values: values.pop(key, None)) is not None

    def num_keys(self) -> int:
        return len(self._look())

    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        wanted = checked_keys(keys)
        limit = DEFAULT_TIMEOUT if timeout is None else timeout
        values = self._await(lambda there: not _missing(there, wanted), limit)
        missing = _missing(values, wanted)
        if missing:
            raise RendezvousTimeoutError(
                f"waited {limit:g} s for {len(wanted)} keys of {self!r}: {', '.join(map(repr, missing))} not set"
            )
        return [values[key] for key in wanted]

    def multi_set(self, items: Mapping[str, bytes]) -> None:
        given = {checked_key(key): checked_value(key, value) for key, value in items.items()}
        self._edit(lambda values: values.update(given))


def _missing(values: Mapping[str, bytes], keys: list[str]) -> list[str]:
    return [key for key in keys if key not in values]


def _integer(key: str, value: bytes) -> int:
    try:
        return int(value)
    except ValueError:
        raise ValueError(f"key {key!r} holds {value[:40]!r}, which is not an integer that can be added to") from None
