"""The store of a round as a job gets it: a read that waits ends when the round does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from rdzv_core import clock
from rdzv_core._errors import RendezvousError, RendezvousRoundOverError, RendezvousStateError, RendezvousTimeoutError
from rdzv_core._handler.info import Change, ChangeReason
from rdzv_core._handler.process_bound import Owner
from rdzv_core._map_store import DEFAULT_TIMEOUT
from rdzv_core.abc import Store
from rdzv_core.validation import checked_key, checked_keys, checked_value

R = TypeVar("R")

_FIRST_SLICE, _LONGEST_SLICE = 0.5, 5.0
"""Seconds for which a read waits in the store before it looks whether the round still stands."""

_MOST_NAMED = 10


class RoundStore(Store):
    """A `Store` of the round named `round_number`. Thread-safe.

    `get`, `multi_get` and `wait` raise `RendezvousRoundOverError`, naming the missing keys and the reason, once
    `change` says that the round is over: a peer that has gone would never set them. What is there is read all the same.

    After WAITING all peers are still there and may use the store to agree on where to stop, but any of them may have
    gone to meet again: a read goes on for `grace` seconds then, or for its `timeout` where it was given one.

    In a forked child every method raises `RendezvousError`.

    A wait takes place in the store, in turns of 0.5 s up to 5 s, so a key that is set wakes it as fast as the store
    can. The default timeout is 300 s.
    """

    def __init__(self, inner: Store, round_number: int, change: Callable[[], Change | None], grace: float) -> None:
        self._inner = inner
        self._round = round_number
        self._change = change
        self._grace = grace
        self._owner = Owner()

    def set(self, key: str, value: bytes) -> None:
        with self._explained():
            self._inner.set(checked_key(key), checked_value(key, value))

    def get(self, key: str, timeout: float | None = None) -> bytes:
        return self._read([checked_key(key)], timeout, lambda seconds: self._inner.get(key, seconds))

    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        known = None if expected is None else checked_value(key, expected)
        with self._explained():
            return self._inner.compare_set(checked_key(key), known, checked_value(key, desired))

    def add(self, key: str, amount: int) -> int:
        with self._explained():
            return self._inner.add(checked_key(key), amount)

    def check(self, keys: Iterable[str]) -> bool:
        with self._explained():
            return self._inner.check(checked_keys(keys))

    def wait(self, keys: Iterable[str], timeout: float | None = None) -> None:
        wanted = checked_keys(keys)
        self._read(wanted, timeout, lambda seconds: self._inner.wait(wanted, seconds))

    def delete_key(self, key: str) -> bool:
        with self._explained():
            return self._inner.delete_key(checked_key(key))

    def num_keys(self) -> int:
        with self._explained():
            return self._inner.num_keys()

    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        wanted = checked_keys(keys)
        return self._read(wanted, timeout, lambda seconds: self._inner.multi_get(wanted, seconds))

    def multi_set(self, items: Mapping[str, bytes]) -> None:
        checked = {checked_key(key): checked_value(key, value) for key, value in items.items()}
        with self._explained():
            self._inner.multi_set(checked)

    def _read(self, keys: list[str], timeout: float | None, read: Callable[[float], R]) -> R:
        limit = DEFAULT_TIMEOUT if timeout is None else timeout
        until = clock.now() + limit
        patience = self._grace if timeout is None else float("inf")
        turn = _FIRST_SLICE
        waiting_since: float | None = None
        while True:
            left = until - clock.now()
            try:
                with self._explained():
                    return read(max(0.0, min(turn, left)))
            except RendezvousTimeoutError as error:
                missing, now = error, clock.now()
            change = self._change()
            if change is not None and change.reason is ChangeReason.WAITING:
                waiting_since = now if waiting_since is None else waiting_since
                change = change if now - waiting_since >= patience else None
            if change is not None:
                raise self._ended(change, self._missing(keys)) from missing
            if now >= until:
                raise RendezvousTimeoutError(
                    f"waited {limit:g} s in round {self._round} of {self._inner!r} for what no node has set: "
                    f"{_listed(self._missing(keys))}"
                ) from missing
            turn = min(2 * turn, _LONGEST_SLICE)

    def _missing(self, keys: list[str]) -> list[str]:
        """Return those of `keys` that are not there, found by halves; all where the store cannot say any more."""
        try:
            return self._absent(keys) or keys
        except RendezvousError:
            return keys

    def _absent(self, keys: list[str]) -> list[str]:
        if self._inner.check(keys):
            return []
        if len(keys) == 1:
            return keys
        half = len(keys) // 2
        return self._absent(keys[:half]) + self._absent(keys[half:])

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """A store that a later round has taken or dropped says so in words of its own; the round's end is the cause."""
        self._owner.check()
        try:
            yield
        except RendezvousStateError as error:
            change = self._change()
            if change is None:
                raise
            raise self._ended(change, []) from error

    def _ended(self, change: Change, missing: list[str]) -> RendezvousRoundOverError:
        waited = f", and {_listed(missing)} will not be set in it" if missing else ""
        return RendezvousRoundOverError(f"round {self._round} is over{waited}: {change}; call next_rendezvous again")

    def __repr__(self) -> str:
        return f"<RoundStore of round {self._round}: {self._inner!r}>"


def _listed(keys: list[str]) -> str:
    named = ", ".join(map(repr, keys[:_MOST_NAMED]))
    return named if len(keys) <= _MOST_NAMED else f"{named} and {len(keys) - _MOST_NAMED} more"
