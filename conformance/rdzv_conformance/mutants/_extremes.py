"""Mutants of RDZV-WATCH-8, MEMBER-18, STORE-10 and 11: numbers that go through a type which does not hold them."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._stores import store_mutant
from rdzv_core import MemberLease, MembersView, StateSnapshot, Token
from rdzv_core.memory._store import MemoryStore


def _milliseconds(seconds: float) -> float:
    """Return seconds that went through 32 bits of milliseconds."""
    return ctypes.c_int32(int(min(seconds, 1e15) * 1000)).value / 1000


def _checked(seconds: float) -> float:
    return float(int(seconds * 1e9)) / 1e9


@mutant(
    "no-time-is-for-ever",
    "A timeout of 0 is falsy, as None is, and waits without limit.",
    "WATCH-8",
    message="has not returned after",
    may_break=("WATCH-4",),
)
class NoTimeIsForEver(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        return super().wait_state(token, timeout or 1e9)


@mutant(
    "no-time-no-look",
    "A wait without time gives up before it has looked: there may be a change all the time.",
    "WATCH-8",
    message="gave where there is a state",
    may_break=("WATCH-1",),
)
class NoTimeNoLook(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        return (False, self.get_state()) if timeout <= 0.001 else super().wait_state(token, timeout)


@mutant(
    "for-ever-in-milliseconds",
    "A timeout is sent as milliseconds in 32 bits: one of a month is over at once.",
    "WATCH-8",
    message="it must wait",
)
class ForEverInMilliseconds(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        return super().wait_state(token, _milliseconds(timeout))


@mutant(
    "for-ever-overflows",
    "A timeout is turned into whole nanoseconds: infinity is an OverflowError of int().",
    "WATCH-8",
    message="raised OverflowError",
)
class ForEverOverflows(SoundMemory):
    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        return super().wait_state(token, _checked(timeout))


@mutant(
    "members-without-time-for-ever",
    "wait_members takes a timeout of 0 for none.",
    "MEMBER-18",
    message="has not returned after",
)
class MembersWithoutTimeForEver(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        return super().wait_members(version, timeout or 1e9)


@mutant(
    "members-in-milliseconds",
    "wait_members sends its timeout as milliseconds in 32 bits.",
    "MEMBER-18",
    message="it must wait",
    may_break=("MEMBER-7",),
)
class MembersInMilliseconds(SoundMemory):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        return super().wait_members(version, _milliseconds(timeout))


@mutant(
    "first-in-32-bits",
    "first(k) sends k in 32 bits: of 2^31 members it gives none.",
    "MEMBER-18",
    message="the members' ids of first(2147483648)",
)
class FirstIn32Bits(SoundMemory):
    def first(self, k: int) -> MembersView:
        return super().first(ctypes.c_int32(k).value)


@mutant(
    "a-ttl-in-milliseconds",
    "A ttl is kept as milliseconds in 32 bits: one of two months is over at once.",
    "MEMBER-18",
    message="is gone after",
)
class ATtlInMilliseconds(SoundMemory):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        lease = super().enter(payload, ttl)
        with self._members() as table:
            entry = table._entries[lease.id]
            entry.ttl = _milliseconds(ttl)
            entry.ends = self.hub.now() + entry.ttl
        return lease


@mutant(
    "a-long-ttl-overflows",
    "A ttl that the store's type does not hold is an OverflowError of the library.",
    "MEMBER-18",
    message="a ttl that cannot be kept is a ValueError",
)
class ALongTtlOverflows(SoundMemory):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        if math.isfinite(ttl) and ttl > 0:
            int(ttl * 1e9).to_bytes(8, "big", signed=True)
        return super().enter(payload, ttl)


class _NoTimeIsTheDefault(MemoryStore):
    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        return super().multi_get(keys, timeout or 300.0)


class _NoneIsNoTime(MemoryStore):
    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        return super().multi_get(keys, timeout or 0.0)


class _KeysInMilliseconds(MemoryStore):
    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        return super().multi_get(keys, None if timeout is None else _milliseconds(timeout))


class _KeysOverflow(MemoryStore):
    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        return super().multi_get(keys, None if timeout is None else _checked(timeout))


class _SumsAreFloats(MemoryStore):
    def add(self, key: str, amount: int) -> int:
        total = super().add(key, amount)
        rounded = int(float(total))
        if rounded != total:
            self.set(key, b"%d" % rounded)
        return rounded


class _SumsWrapAround(MemoryStore):
    def add(self, key: str, amount: int) -> int:
        total = super().add(key, amount)
        wrapped = ctypes.c_int64(total).value
        if wrapped != total:
            self.set(key, b"%d" % wrapped)
        return wrapped


class _SumsStopAt32Bits(MemoryStore):
    def add(self, key: str, amount: int) -> int:
        total = super().add(key, amount)
        if abs(total) > 2**31:
            self.set(key, b"%d" % (total - amount))
            raise ValueError("out of range")
        return total


class _TooLargeIsLost(MemoryStore):
    def add(self, key: str, amount: int) -> int:
        total = super().add(key, amount)
        if not -(2**63) <= total < 2**63:
            self.set(key, b"0")
            raise ValueError("out of range")
        return total


MUTANTS = (
    NoTimeIsForEver,
    NoTimeNoLook,
    ForEverInMilliseconds,
    ForEverOverflows,
    MembersWithoutTimeForEver,
    MembersInMilliseconds,
    FirstIn32Bits,
    ATtlInMilliseconds,
    ALongTtlOverflows,
    store_mutant(
        _NoTimeIsTheDefault,
        "no-time-is-the-default",
        "A timeout of 0 is falsy: five minutes are waited.",
        "STORE-10",
        message="has not returned after",
        may_break=("STORE-1", "STORE-3", "STORE-5", "STORE-2"),
    ),
    store_mutant(
        _NoneIsNoTime,
        "none-is-no-time",
        "Without a timeout nothing is waited for: a worker that is a moment early fails.",
        "STORE-10",
        message="it must wait",
    ),
    store_mutant(
        _KeysInMilliseconds,
        "keys-in-milliseconds",
        "A store sends its timeout as milliseconds in 32 bits.",
        "STORE-10",
        message="it must wait",
    ),
    store_mutant(
        _KeysOverflow,
        "keys-overflow",
        "A store turns its timeout into whole nanoseconds: infinity is an OverflowError.",
        "STORE-10",
        message="raised OverflowError",
    ),
    store_mutant(
        _SumsAreFloats,
        "sums-are-floats",
        "Sums go through a float, as they do in JSON: beyond 2^53 the last digits are others.",
        "STORE-11",
        message="the sum of",
    ),
    store_mutant(
        _SumsWrapAround,
        "sums-wrap-around",
        "Sums are kept in 64 bits and begin at the other end.",
        "STORE-11",
        message="the sum of 7 and",
    ),
    store_mutant(
        _SumsStopAt32Bits,
        "sums-of-32-bits",
        "A sum beyond 32 bits is refused.",
        "STORE-11",
        message="it must take that number",
    ),
    store_mutant(
        _TooLargeIsLost,
        "too-large-is-lost",
        "A sum that does not fit is a ValueError, and the value that was there is gone.",
        "STORE-11",
        message="what is kept after add of",
    ),
)
