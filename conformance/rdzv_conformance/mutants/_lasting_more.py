"""Mutants of RDZV-STORE-1 and MEMBER-4: what is gone though nobody took it away."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._store_calls import store_mutant
from rdzv_core import MemberLease
from rdzv_core.memory._store import MemoryStore

EXPIRES = 5.0


class _KeysExpire(MemoryStore):
    """A key is set with a time to live, as one that caches."""

    def multi_set(self, items: Mapping[str, bytes]) -> None:
        super().multi_set(items)
        times = vars(self._backend.hub).setdefault("set_at", {})
        times.update({(self._backend.run, self._prefix, key): time.monotonic() for key in items})

    def _values(self) -> dict[str, bytes]:
        values = super()._values()
        for key in [*values]:
            at = vars(self._backend.hub).get("set_at", {}).get((self._backend.run, self._prefix, key))
            if at is not None and time.monotonic() > at + EXPIRES:
                del values[key]
        return values


@mutant(
    "a-ttl-of-five-seconds-at-most",
    "A session of the store lasts five seconds, however long the ttl is.",
    "MEMBER-4",
    message="it stays for its ttl",
)
class FiveSecondsAtMost(SoundMemory):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        lease = super().enter(payload, ttl)
        with self._members() as table:
            table._entries[lease.id].ttl = min(ttl, EXPIRES)
            table._entries[lease.id].ends = min(table._entries[lease.id].ends, self.hub.now() + EXPIRES)
        return lease


MUTANTS = (
    store_mutant(
        "keys-expire",
        "A key is set with a time to live of five seconds.",
        "STORE-1",
        message="a key stays until somebody does",
        broken=_KeysExpire,
    ),
    FiveSecondsAtMost,
)
