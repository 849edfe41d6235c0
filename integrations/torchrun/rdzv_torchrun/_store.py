"""The store of a round as torch's agent uses it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from torch.distributed import DistError, Store

import rdzv_core
from rdzv_core import Change, ChangeReason, clock
from rdzv_torchrun._errors import store_error
from rdzv_torchrun._ranks import RankAssignment

log = logging.getLogger("rdzv")

R = TypeVar("R")

_PAUSE = 0.2
"""Seconds between two attempts on a store that is out of reach."""

OVER = frozenset({ChangeReason.ASKED, ChangeReason.LOST, ChangeReason.FENCED, ChangeReason.STORE_LOST})
"""After these the round is over, and this node has to meet again."""


class AgentStore(Store):
    """A round's store with the methods, values and errors of torch's own. Thread-safe.

    Keys are text; values are bytes, and may be given as text. `get`, `wait` and `multi_get` wait for `timeout`, 300 s
    unless `set_timeout` said otherwise, and raise `DistStoreError` then, or as soon as the round is over: a peer that
    has gone sets no key. A store that is out of reach is tried again for as long, but by `add` and `compare_set`,
    which might take effect twice; then it is a `DistNetworkError`. rdzv's error is chained to each.

    `change` tells, after waiting for the seconds given, why the round is over; None while it stands.
    """

    def __init__(self, inner: rdzv_core.Store, change: Callable[[float], Change | None], ranks: RankAssignment) -> None:
        super().__init__()
        self._inner = inner
        self._change = change
        self._ranks = ranks

    def set(self, key: str, value: str | bytes) -> None:
        """Set `key` to `value`."""
        self.multi_set([key], [value])

    def get(self, key: str) -> bytes:
        """Wait for `key` and return its value."""
        return self.multi_get([key])[0]

    def add(self, key: str, amount: int) -> int:
        """Add to the integer at `key` (absent: 0) and return the sum."""
        return self._once(lambda: self._inner.add(key, amount))

    def check(self, keys: Sequence[str]) -> bool:
        """Return whether all of `keys` are there; never wait."""
        return self._tried(lambda _left: self._inner.check(keys))

    def wait(self, keys: Sequence[str], timeout: timedelta | None = None) -> None:
        """Wait until all of `keys` are there."""
        self._tried(lambda left: self._inner.wait(keys, left), timeout)

    def compare_set(self, key: str, expected_value: str | bytes, desired_value: str | bytes) -> bytes:
        """Set `key` if it is `expected_value`, or absent where that is empty; return what is there then.

        As in torch's stores, `expected_value` is returned for a key that is absent where it should not be.
        """
        expected, desired = _bytes(expected_value), _bytes(desired_value)
        there = self._once(lambda: self._inner.compare_set(key, expected or None, desired))
        if there == expected == b"":
            there = self._once(lambda: self._inner.compare_set(key, expected, desired))
        return expected if there is None else there

    def delete_key(self, key: str) -> bool:
        """Delete `key`; return whether it was there."""
        return self._once(lambda: self._inner.delete_key(key))

    def num_keys(self) -> int:
        """Return the number of keys."""
        return self._tried(lambda _left: self._inner.num_keys())

    def multi_get(self, keys: Sequence[str]) -> list[bytes]:
        """Wait for all of `keys` and return their values in that order."""
        try:
            return self._tried(lambda left: self._inner.multi_get(keys, left))
        except DistError as error:
            if not self._is_lost_for(keys):
                raise
            values = [self._ranks.instead(key) for key in keys]
            found = [value for value in values if value is not None]
            if len(found) < len(values):
                raise
            log.warning("%s; going on to where the workers are stopped", error)
            return found

    def multi_set(self, keys: Sequence[str], values: Sequence[str | bytes]) -> None:
        """Set several keys."""
        items = {key: _bytes(value) for key, value in zip(keys, values, strict=True)}
        for key, value in items.items():
            self._ranks.note(key, value)
        try:
            self._tried(lambda _left: self._inner.multi_set(items))
        except DistError:
            if not self._is_lost_for(keys):
                raise

    def has_extended_api(self) -> bool:
        """Return that `multi_get` and `multi_set` are there."""
        return True

    deleteKey = delete_key  # noqa: N815 - so C++ calls it, for a PrefixStore over this store
    getNumKeys = num_keys  # noqa: N815

    def _is_lost_for(self, keys: Sequence[str]) -> bool:
        """Whether ranks were being shared out in a round that is over."""
        if not all(map(self._ranks.concerns, keys)):
            return False
        change = self._change(0.0)
        return change is not None and change.reason in OVER

    def _once(self, call: Callable[[], R]) -> R:
        try:
            return call()
        except rdzv_core.RendezvousError as error:
            raise store_error(error) from error

    def _tried(self, call: Callable[[float], R], timeout: timedelta | None = None) -> R:
        """Call, again while the store is out of reach and the round stands, with the seconds that are left."""
        until = clock.now() + (self.timeout if timeout is None else timeout).total_seconds()
        while True:
            try:
                return call(max(0.0, until - clock.now()))
            except rdzv_core.RendezvousConnectionError as error:
                if isinstance(error, rdzv_core.RendezvousConfigurationError) or clock.now() >= until:
                    raise store_error(error) from error
                change = self._change(min(_PAUSE, max(0.0, until - clock.now())))
                if change is not None and change.reason in OVER:
                    raise store_error(error) from error
                if change is not None:  # it is told again at once, whenever it is asked for
                    time.sleep(_PAUSE)
            except rdzv_core.RendezvousError as error:
                raise store_error(error) from error

    def __repr__(self) -> str:
        return f"<AgentStore over {self._inner!r}>"


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)
