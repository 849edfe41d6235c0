"""The store of a round: a key of etcd for each key, below the run's and the store's prefix."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TypeVar

from rdzv_core import RendezvousTimeoutError, StateSnapshot, Store
from rdzv_core.envelope import seal
from rdzv_core.validation import checked_key, checked_keys, checked_value
from rdzv_etcd._client import messages
from rdzv_etcd._client.client import EtcdClient
from rdzv_etcd._client.scope import whole_call
from rdzv_etcd._client.subscriptions import Span
from rdzv_etcd._record import MAX_STATE_BYTES, read_record
from rdzv_etcd._register import Register
from rdzv_etcd._run_keys import Run
from rdzv_etcd._waiting import Waiter

T = TypeVar("T")

DEFAULT_TIMEOUT = 300.0
KEPT_STORES = 4
"""How many stores of a run are kept; another one removes the oldest."""
_OPERATIONS = 100
"""The most operations in one transaction; etcd's limit is 128."""


class EtcdStore(Store):
    """A map whose values are sealed as a register's, under the run's lease. Ends with its backend.

    A run keeps the four stores that were begun last. A value has at most 1 MiB (`ValueError`). A write whose answer
    was lost is resolved as a register's is; `multi_set` of several keys is one step for up to 100 keys that fit into
    1 MiB together, and raises if an answer was lost.
    """

    def __init__(self, client: EtcdClient, run: Run, waiter: Waiter, name: str) -> None:
        self._client = client
        self._run = run
        self._waiter = waiter
        self._name = name
        self._prefix = run.keys.store(name)
        self._listed = False

    @whole_call
    def set(self, key: str, value: bytes) -> None:
        wanted = self._checked(key, value)
        self._edit(key, lambda _: wanted)

    def get(self, key: str, timeout: float | None = None) -> bytes:
        return self.multi_get([key], timeout)[0]

    @whole_call
    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        wanted = self._checked(key, desired)
        return self._edit(key, lambda there: wanted if there == expected else None)

    @whole_call
    def add(self, key: str, amount: int) -> int:
        checked_key(key)
        total = self._edit(key, lambda there: b"%d" % (_integer(key, b"0" if there is None else there) + amount))
        assert total is not None
        return int(total)

    @whole_call
    def check(self, keys: Iterable[str]) -> bool:
        return not self._missing(checked_keys(keys))

    def wait(self, keys: Iterable[str], timeout: float | None = None) -> None:
        self.multi_get(keys, timeout)

    @whole_call
    def delete_key(self, key: str) -> bool:
        return self._register(checked_key(key)).delete(None)

    @whole_call
    def num_keys(self) -> int:
        return messages.read_count(
            self._client.range(messages.count_request(self._prefix, messages.after(self._prefix)))
        )

    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        wanted = checked_keys(keys)
        limit = DEFAULT_TIMEOUT if timeout is None else timeout
        deadline = time.monotonic() + limit
        if len(wanted) == 1:
            return [self._await(wanted[0], wanted, limit, deadline).state]
        while True:  # all are read again at the end: one that was there may have gone meanwhile
            values = self._read(wanted)
            missing = [key for key in wanted if key not in values]
            if not missing:
                return [values[key] for key in wanted]
            while missing:
                # One after the other would take as many waits as keys where they come in this order; a random one of
                # those that are missing comes, on average, when half of them are there.
                self._await(random.choice(missing), wanted, limit, deadline)
                missing = self._missing(missing)

    @whole_call
    def multi_set(self, items: Mapping[str, bytes]) -> None:
        given = {key: self._checked(checked_key(key), value) for key, value in items.items()}
        if len(given) == 1:
            ((key, value),) = given.items()
            self._edit(key, lambda _: value)
            return
        for part in _parts(given):
            self._write(partial(self._put_all, part))

    def _put_all(self, items: Mapping[str, bytes], lease: int) -> None:
        puts = [messages.put_request(self._key(key), seal(value), lease) for key, value in items.items()]
        self._client.transact(self._prefix, [], puts, repeatable=False)

    def _edit(self, key: str, change: Callable[[bytes | None], bytes | None]) -> bytes | None:
        """Write what `change` makes of the value, None: nothing; returns what is there then."""
        register, deadline = self._register(checked_key(key)), time.monotonic() + DEFAULT_TIMEOUT
        there, token = None, None
        if change(None) is None:
            there, token = register.get() or (None, None)
        while (wanted := change(there)) is not None:
            result = self._write(partial(register.write, wanted, token))
            if result is not None and result.has_set:
                return wanted
            there, token = (None, None) if result is None else result[:2]
            if time.monotonic() > deadline:
                raise self._client.error(f"other writers kept {self!r} from writing {key!r} for {DEFAULT_TIMEOUT:g} s")
        return there

    def _write(self, write: Callable[[int], T]) -> T:
        """Write under the run's lease, after listing this store among the run's."""
        if not self._listed:
            if self._run.under_lease(self._list):
                self._remove_outdated()
            self._listed = True
        return self._run.under_lease(write)

    def _list(self, lease: int) -> bool:
        """Return whether this store is a new one of the run."""
        entry = self._run.keys.listed(self._name)
        put = messages.put_request(entry, self._prefix, lease)
        return self._client.transact(entry, messages.if_absent(entry), [put], repeatable=True).succeeded

    def _remove_outdated(self) -> None:
        listed = self._run.keys.listed("")
        newest_first = {"range_end": messages.encode(messages.after(listed)), "sort_target": "CREATE"}
        answer = self._client.range(messages.range_request(listed) | newest_first | {"sort_order": "DESCEND"})
        for outdated in messages.read_kvs(answer)[KEPT_STORES:]:
            self._client.transact(
                outdated.key,
                [],
                [
                    messages.delete_request(outdated.key),
                    messages.delete_request(outdated.value, messages.after(outdated.value)),
                ],
                repeatable=True,
            )

    def _await(self, key: str, wanted: list[str], limit: float, deadline: float) -> StateSnapshot:
        snapshot = self._register(key).wait(None, max(0.0, deadline - time.monotonic()))[1]
        if snapshot is None:
            raise self._in_vain(limit, wanted, self._missing(wanted) or [key])
        return snapshot

    def _read(self, keys: list[str]) -> dict[str, bytes]:
        """Return the values of those keys that exist."""
        values = {}
        for part in _chunks(keys):
            requests = [messages.range_request(self._key(key)) for key in part]
            answers = self._client.read_together(self._prefix, requests)
            for key, answer in zip(part, answers, strict=True):
                for found in messages.read_kvs(answer):
                    values[key] = read_record(found.key, found).state
        return values

    def _missing(self, keys: list[str]) -> list[str]:
        missing = []
        for part in _chunks(keys):
            requests = [messages.count_request(self._key(key)) for key in part]
            answers = zip(part, self._client.count_together(requests), strict=True)
            missing += [key for key, count in answers if not count]
        return missing

    def _key(self, key: str) -> bytes:
        return self._prefix + key.encode("utf-8")

    def _register(self, key: str) -> Register:
        return Register(self._client, self._key(key), self._waiter, Span(self._prefix, messages.after(self._prefix)))

    def _checked(self, key: str, value: bytes) -> bytes:
        value = checked_value(checked_key(key), value)
        if len(value) > MAX_STATE_BYTES:
            raise ValueError(f"a value of {len(value)} bytes for key {key!r}: at most {MAX_STATE_BYTES} can be stored")
        return value

    def _in_vain(self, limit: float, wanted: list[str], missing: list[str]) -> RendezvousTimeoutError:
        return RendezvousTimeoutError(
            f"waited {limit:g} s for {len(wanted)} keys of {self!r}: {', '.join(map(repr, missing))} not set"
        )

    def __repr__(self) -> str:
        return f"<EtcdStore {self._name!r} by {self._client!r}>"


def _chunks(keys: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), _OPERATIONS):
        yield keys[start : start + _OPERATIONS]


def _parts(items: dict[str, bytes]) -> Iterator[dict[str, bytes]]:
    """Cut what is too much for one transaction."""
    part: dict[str, bytes] = {}
    size = 0
    for key, value in items.items():
        if part and (len(part) == _OPERATIONS or size + len(key) + len(value) > MAX_STATE_BYTES):
            yield part
            part, size = {}, 0
        part[key] = value
        size += len(key) + len(value)
    if part:
        yield part


def _integer(key: str, value: bytes) -> int:
    try:
        return int(value)
    except ValueError:
        raise ValueError(f"key {key!r} holds {value[:40]!r}, which is not an integer to add to") from None
