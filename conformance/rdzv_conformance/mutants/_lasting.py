"""Mutants of RDZV-STATE-13, STORE-1 and MEMBER-4: what is gone though nobody took it away."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._store_calls import store_mutant
from rdzv_core import MemberLease, SetStateResult, StateSnapshot, Token
from rdzv_core.memory._store import MemoryStore

EXPIRES = 5.0
NEWEST = 24


class _Expiring(SoundMemory):
    """Its keys expire."""

    def touched(self) -> dict[str, float]:
        times: dict[str, float] = vars(self.hub).setdefault("times", {})
        return times

    def expire(self) -> None:
        """Take away what has to go."""
        with self.opened() as changed:
            if time.monotonic() - self.touched().get(self.key, time.monotonic()) > EXPIRES:
                self.hub.raw.pop(self.key, None)
                del self.touched()[self.key]
                changed.notify_all()

    def get_state(self) -> StateSnapshot | None:
        self.expire()
        return super().get_state()

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        self.expire()
        answer = super().set_state(state, token)
        if answer is not None and answer.has_set:
            self.touched()[self.key] = time.monotonic()
        return answer


@mutant(
    "expires-after-five-seconds",
    "A write sets a key that expires (SET … EX 5), as the store's example for locks does.",
    "STATE-13",
    message="no key expires",
    may_break=("STATE-1", "CAS-1"),
)
class ExpiresAfterFiveSeconds(_Expiring):
    pass


@mutant(
    "expires-unless-read",
    "A key expires five seconds after it was last read or written: a job that rests loses its state.",
    "STATE-13",
    message="no key expires",
)
class ExpiresUnlessRead(_Expiring):
    def get_state(self) -> StateSnapshot | None:
        found = super().get_state()
        if found is not None:
            self.touched()[self.key] = time.monotonic()
        return found


@mutant(
    "the-oldest-is-evicted",
    "A store with a limit evicts the key that was used longest ago (maxmemory-policy allkeys-lru).",
    "STATE-13",
    message="no key expires",
    may_break=("RUN-1", "RUN-2", "RUN-3", "RUN-4", "LIST-1", "CAS-7", "STATE-9"),
)
class TheOldestIsEvicted(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        answer = super().set_state(state, token)
        with self.opened():
            raw = self.hub.raw
            if answer is not None and answer.has_set and self.key in raw:
                raw[self.key] = raw.pop(self.key)
            while len(raw) > NEWEST:
                del raw[next(iter(raw))]
        return answer


@mutant(
    "expires-with-another-token",
    "A state is written anew every few seconds so that it does not expire, and with that its token is another one.",
    "STATE-13",
    message="with its token,",
)
class ExpiresWithAnotherToken(_Expiring):
    def expire(self) -> None:
        with self.opened():
            if time.monotonic() - self.touched().get(self.key, time.monotonic()) > EXPIRES:
                found = self.hub.registers.get(self.key)
                self.touched()[self.key] = time.monotonic()
                if found is not None:
                    self.hub.registers.set(self.key, found.state, found.token)


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
    ExpiresAfterFiveSeconds,
    ExpiresUnlessRead,
    TheOldestIsEvicted,
    ExpiresWithAnotherToken,
    store_mutant(
        "keys-expire",
        "A key is set with a time to live of five seconds.",
        "STORE-1",
        message="a key stays until somebody does",
        broken=_KeysExpire,
    ),
    FiveSecondsAtMost,
)
