"""The stores of rounds: a hash for each prefix, of which a run keeps those that were written last."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rdzv_core import RendezvousTimeoutError, Store
from rdzv_core.validation import checked_key, checked_keys, checked_value
from rdzv_redis._watch import RedisWatch

KEPT_STORES = 4
DEFAULT_TIMEOUT = 300.0

# A write counts as use of its store; beyond the limit the one that was used longest ago goes.
USE = """
local index, store = KEYS[1], KEYS[2]
local last = redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')
redis.call('ZADD', index, (last[2] or 0) + 1, store)
if redis.call('ZCARD', index) > tonumber(ARGV[1]) then redis.call('DEL', redis.call('ZPOPMIN', index)[1]) end
"""
SET = USE + "redis.call('HSET', store, unpack(ARGV, 2)); redis.call('PUBLISH', store, '')"
DELETE = USE + "return redis.call('HDEL', store, ARGV[2])"
COMPARE_SET = (
    USE
    + """
local key, desired, expected = unpack(ARGV, 2)
local there = redis.call('HGET', store, key)
if (there or nil) ~= expected then return {0, there} end
redis.call('HSET', store, key, desired); redis.call('PUBLISH', store, '')
return {1, desired}
"""
)


class RedisStore(Store):
    """A store of a run; it ends with the instance that gave it."""

    def __init__(self, backend: RedisWatch, prefix: str) -> None:
        digest = hashlib.sha256(checked_key(prefix).encode()).hexdigest()[:40]
        self._backend = backend
        self._prefix = prefix
        self._index = f"{backend.params.for_purpose('').key}:stores"
        self._key = f"{self._index}:{digest}"

    def set(self, key: str, value: bytes) -> None:
        self.multi_set({key: value})

    def get(self, key: str, timeout: float | None = None) -> bytes:
        return self.multi_get([key], timeout)[0]

    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        old = () if expected is None else (checked_value(key, expected),)
        found: bytes | None = self._run(COMPARE_SET, checked_key(key), checked_value(key, desired), *old)[1]
        return found

    def add(self, key: str, amount: int) -> int:
        name, keys = checked_key(key), [self._index, self._key]
        with self._backend.calling():  # one call, however many steps it takes
            while True:  # in whole numbers of any size, which Redis has not
                there = self._backend.send("HGET", self._key, name)
                total = _integer(key, there) + amount
                old = () if there is None else (there,)
                if self._backend.run(COMPARE_SET, keys, KEPT_STORES, name, b"%d" % total, *old)[0]:
                    return total

    def check(self, keys: Iterable[str]) -> bool:
        return None not in self._values(checked_keys(keys))

    def wait(self, keys: Iterable[str], timeout: float | None = None) -> None:
        self.multi_get(keys, timeout)

    def delete_key(self, key: str) -> bool:
        return bool(self._run(DELETE, checked_key(key)))

    def num_keys(self) -> int:
        return int(self._send("HLEN"))

    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        wanted, limit = checked_keys(keys), DEFAULT_TIMEOUT if timeout is None else timeout

        def look() -> tuple[bool, list[bytes | None]]:
            found = self._values(wanted)
            return None not in found, found

        values = self._backend.wait(self._key, look, limit)[1]
        missing = [key for key, value in zip(wanted, values, strict=True) if value is None]
        if missing:
            raise RendezvousTimeoutError(
                f"waited {limit:g} s for {len(wanted)} keys of {self!r}: {', '.join(map(repr, missing))} not set"
            )
        return [value for value in values if value is not None]

    def multi_set(self, items: Mapping[str, bytes]) -> None:
        pairs = [(checked_key(key), checked_value(key, value)) for key, value in items.items()]
        if pairs:
            self._run(SET, *(each for pair in pairs for each in pair))

    def _values(self, keys: list[str]) -> list[bytes | None]:
        return list(self._send("HMGET", *keys)) if keys else []

    def _send(self, command: str, *arguments: str | bytes) -> Any:
        return self._called(lambda: self._backend.send(command, self._key, *arguments))

    def _run(self, script: str, *arguments: str | bytes) -> Any:
        keys = [self._index, self._key]
        return self._called(lambda: self._backend.run(script, keys, KEPT_STORES, *arguments))

    def _called(self, call: Callable[[], Any]) -> Any:
        with self._backend.calling():
            return call()

    def __repr__(self) -> str:
        return f"<RedisStore {self._prefix!r} of {self._backend!r}>"


def _integer(key: str, value: bytes | None) -> int:
    try:
        return 0 if value is None else int(value)
    except ValueError:
        text = f"key {key!r} holds {(value or b'')[:40]!r}, which is not an integer that can be added to"
        raise ValueError(text) from None
