"""The stores of rounds: keys and values by run and prefix. No I/O and no clock. Not thread-safe: one thread owns it."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from rdzv_tcp._protocol import (
    Absent,
    Count,
    Done,
    Kept,
    Missing,
    NoInteger,
    Over,
    StoreAdd,
    StoreAnswer,
    StoreCompareSet,
    StoreCount,
    StoreDelete,
    StoreGet,
    StoreSet,
    Value,
    Values,
)

KEPT_STORES = 4
"""How many stores of a run are kept, those used last: a run's nodes use one for each round."""

REMEMBERED_STORES = 64
REMEMBERED_WRITES = 65_536
PAGE_BYTES = 4 * 1024 * 1024
_SHOWN_BYTES = 40

StoreWrite: TypeAlias = StoreSet | StoreCompareSet | StoreAdd | StoreDelete
Topic: TypeAlias = tuple[str, str, str]
"""A key of a store: its run, the prefix, the key."""


class Outcome(NamedTuple):
    """What a change did: the answer, the keys that were set by it, and the prefix of the store that it displaced."""

    answer: StoreAnswer
    set_keys: Sequence[str] = ()
    displaced: str | None = None


class StoresSnapshot(NamedTuple):
    """What stores hold, by run and prefix, those used last at the end; what was dropped; what is remembered."""

    stores: list[tuple[str, str, dict[str, bytes]]]
    dropped: list[tuple[str, list[str]]]
    answers: list[tuple[bytes, StoreAnswer]]


class _Run:
    """A run's stores, the one used longest ago first, and the prefixes of the latest that were dropped."""

    __slots__ = ("dropped", "stores")

    def __init__(self) -> None:
        self.stores: OrderedDict[str, dict[str, bytes]] = OrderedDict()
        self.dropped: deque[str] = deque(maxlen=REMEMBERED_STORES)


class Stores:
    """Stores by run and prefix. The first write makes one; a run keeps the four used last, the others are `Over`.

    Every write carries a nonce and takes effect at most once: the answers to the latest are remembered.
    """

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}
        self._answers: OrderedDict[bytes, StoreAnswer] = OrderedDict()

    def __len__(self) -> int:
        """How many runs have stores, or had them."""
        return len(self._runs)

    def change(self, request: StoreWrite, displaced: str | None = None) -> Outcome:
        """Do what `request` asks; `displaced` is what `displaces` gave when that was decided, if it was earlier."""
        again = self._answers.get(request.nonce)
        if again is not None:
            return Outcome(again)
        if self.is_over(request.run, request.prefix):
            return Outcome(Over())
        store, displaced = self._made(request.run, request.prefix, displaced)
        answer, set_keys = _apply(request, store)
        if set_keys or isinstance(answer, Done):
            self.remember(request.nonce, answer)
        return Outcome(answer, set_keys, displaced)

    def makes_store(self, request: StoreWrite) -> bool:
        """Return whether `request` is the first write to its store."""
        there = self._runs.get(request.run)
        return there is None or request.prefix not in there.stores

    def displaces(self, request: StoreWrite) -> str | None:
        """Return the prefix of the store that goes if `request` makes one now: the one used longest ago."""
        there = self._runs.get(request.run)
        if there is None or request.prefix in there.stores or len(there.stores) < KEPT_STORES:
            return None
        return next(iter(there.stores))

    def copy_out(self) -> StoresSnapshot:
        """Return a copy of everything."""
        stores = [
            (run, prefix, dict(store)) for run, there in self._runs.items() for prefix, store in there.stores.items()
        ]
        dropped = [(run, list(there.dropped)) for run, there in self._runs.items() if there.dropped]
        return StoresSnapshot(stores, dropped, list(self._answers.items()))

    def put(self, run: str, prefix: str, items: dict[str, bytes]) -> None:
        """Add to a store what one held that is read from disk."""
        self._runs.setdefault(run, _Run()).stores.setdefault(prefix, {}).update(items)

    def drop(self, run: str, prefixes: list[str]) -> None:
        """Note which stores of a run that is read from disk were dropped."""
        self._runs.setdefault(run, _Run()).dropped.extend(prefixes)

    def remember(self, nonce: bytes, answer: StoreAnswer) -> None:
        """Answer a write in this way if it comes again."""
        self._answers[nonce] = answer
        if len(self._answers) > REMEMBERED_WRITES:
            self._answers.popitem(last=False)

    def get(self, request: StoreGet) -> StoreAnswer:
        """Return the values, or which keys are missing."""
        if self.is_over(request.run, request.prefix):
            return Over()
        store = self._store(request.run, request.prefix)
        missing = [key for key in request.keys if key not in store]
        if missing:
            return Missing(missing)
        return Values(_page(store[key] for key in request.keys)) if request.values else Done()

    def missing(self, request: StoreGet) -> Topic | None:
        """Return a key that must be set before there is an answer; None: there is one."""
        if self.is_over(request.run, request.prefix):
            return None
        store = self._store(request.run, request.prefix)
        return next(((request.run, request.prefix, key) for key in request.keys if key not in store), None)

    def count(self, request: StoreCount) -> StoreAnswer:
        """Return the number of keys."""
        if self.is_over(request.run, request.prefix):
            return Over()
        return Count(len(self._store(request.run, request.prefix)))

    def is_over(self, run: str, prefix: str) -> bool:
        """Return whether the store was dropped for newer ones."""
        there = self._runs.get(run)
        return there is not None and prefix in there.dropped

    def _store(self, run: str, prefix: str) -> dict[str, bytes]:
        there = self._runs.get(run)
        if there is None or prefix not in there.stores:
            return {}
        there.stores.move_to_end(prefix)
        return there.stores[prefix]

    def _made(self, run: str, prefix: str, goes: str | None) -> tuple[dict[str, bytes], str | None]:
        there = self._runs.get(run)
        if there is None:
            there = self._runs[run] = _Run()
        displaced = None
        if prefix not in there.stores:
            if len(there.stores) >= KEPT_STORES:
                displaced = goes if goes is not None and goes in there.stores else next(iter(there.stores))
                del there.stores[displaced]
                there.dropped.append(displaced)
            there.stores[prefix] = {}
        return self._store(run, prefix), displaced


def _apply(request: StoreWrite, store: dict[str, bytes]) -> tuple[StoreAnswer, list[str]]:
    """Change the store. Return the answer, and the keys that were set."""
    if isinstance(request, StoreSet):
        store.update(request.items)
        return Done(), list(request.items)
    key = request.key
    if isinstance(request, StoreCompareSet):
        there = store.get(key)
        if there != request.expected:
            return Absent() if there is None else Value(there), []
        store[key] = request.desired
        return Done(), [key]
    if isinstance(request, StoreDelete):
        return Kept() if store.pop(key, None) is None else Done(), []
    return _add(request, store)


def _add(request: StoreAdd, store: dict[str, bytes]) -> tuple[StoreAnswer, list[str]]:
    there = store.get(request.key, b"0")
    try:
        total = int(there) + int(request.amount)
        # Python turns neither very long text into a number nor the other way round.
        text = b"%d" % total
    except ValueError:
        return NoInteger(there[:_SHOWN_BYTES]), []
    store[request.key] = text
    return Value(text), [request.key]


def _page(values: Iterable[bytes]) -> list[bytes]:
    page: list[bytes] = []
    size = 0
    for value in values:
        size += len(value) + 8
        if page and size > PAGE_BYTES:
            break
        page.append(value)
    return page
