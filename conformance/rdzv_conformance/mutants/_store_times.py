"""Mutants of RDZV-STORE-9 and 13: how long a wait for keys is, and which it names when its time is over."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rdzv_conformance.mutants._store_calls import FIVE_MINUTES, store_mutant
from rdzv_core import RendezvousTimeoutError
from rdzv_core.memory._store import MemoryStore
from rdzv_core.validation import checked_keys


class _OneAfterTheOther(MemoryStore):
    def wait(self, keys: Iterable[str], timeout: float | None = None) -> None:
        wanted, limit = checked_keys(keys), FIVE_MINUTES if timeout is None else timeout
        ends = time.monotonic() + limit
        for key in wanted:
            if key not in self._await(lambda there: key in there, max(0.0, ends - time.monotonic())):  # noqa: B023
                super().wait(wanted, 0)


class _ATimeForEachKey(MemoryStore):
    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        wanted, limit = checked_keys(keys), FIVE_MINUTES if timeout is None else timeout
        for key in wanted[:-1] if timeout else ():
            self._await(lambda there: key in there, limit)  # noqa: B023
        return super().multi_get(wanted, limit)


class _HalfTheTime(MemoryStore):
    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        return super().multi_get(keys, timeout and timeout / 2)


class _NamesOtherwise(MemoryStore):
    def named(self, before: list[str], missing: list[str]) -> list[str]:
        raise NotImplementedError

    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        wanted, there = checked_keys(keys), self._look()
        try:
            return super().multi_get(wanted, timeout)
        except RendezvousTimeoutError:
            missing, before = ([key for key in wanted if key not in each] for each in (self._look(), there))
            raise RendezvousTimeoutError(f"not set: {self.named(before, missing)}") from None


class _NamesWhatWasMissing(_NamesOtherwise):
    def named(self, before: list[str], missing: list[str]) -> list[str]:  # noqa: ARG002 - of the interface
        return before


class _NamesTen(_NamesOtherwise):
    def named(self, before: list[str], missing: list[str]) -> list[str]:  # noqa: ARG002 - of the interface
        return missing[:10]


MUTANTS = (
    store_mutant(
        "waits-one-after-the-other",
        "wait waits for one key after the other.",
        "STORE-9",
        message="though 'a' was deleted again",
        broken=_OneAfterTheOther,
    ),
    store_mutant(
        "a-time-for-each-key",
        "multi_get waits for one key after the other, for each its whole timeout.",
        "STORE-13",
        message="multi_get",
        broken=_ATimeForEachKey,
        may_break=("STORE-2",),
    ),
    store_mutant(
        "half-the-time",
        "A wait for keys leaves half of its timeout to the way back.",
        "STORE-13",
        message="raised after",
        broken=_HalfTheTime,
        may_break=("STORE-2",),
    ),
    store_mutant(
        "names-what-was-missing",
        "A timeout names the keys that were missing when the wait began.",
        "STORE-13",
        message="names 'comes', which was there",
        broken=_NamesWhatWasMissing,
        may_break=("STORE-2",),
    ),
    store_mutant(
        "names-ten",
        "A timeout names ten of the keys that are missing.",
        "STORE-13",
        message="does not name 15 of 25 missing keys",
        broken=_NamesTen,
        may_break=("STORE-2",),
    ),
)
