"""The stores of rounds on the server, without I/O."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from rdzv_tcp._protocol import (
    Absent,
    Count,
    Done,
    Kept,
    Missing,
    NoInteger,
    Over,
    StoreAdd,
    StoreCompareSet,
    StoreCount,
    StoreDelete,
    StoreGet,
    StoreSet,
    Value,
    Values,
)
from rdzv_tcp._state import stores as _stores
from rdzv_tcp._state.stores import KEPT_STORES, Stores

_numbers = itertools.count()


def nonce() -> bytes:
    """Return one that was not used before."""
    return next(_numbers).to_bytes(16, "big")


@pytest.fixture
def stores() -> Stores:
    """Nothing is stored."""
    return Stores()


@pytest.fixture
def put(stores: Stores) -> Callable[..., object]:
    """Set a key, of store `p` of run `r` unless told otherwise."""
    return lambda key, value, prefix="p", run="r": stores.change(StoreSet(run, prefix, {key: value}, nonce())).answer


@pytest.fixture
def look(stores: Stores) -> Callable[..., object]:
    """Ask for keys, without waiting."""
    return lambda *keys, prefix="p", run="r": stores.get(StoreGet(run, prefix, list(keys), 0.0, True))


def test_a_write_tells_which_keys_it_set(stores: Stores) -> None:
    """Those who wait for them are told; a refused one, or a deletion, sets none."""
    assert stores.change(StoreSet("r", "p", {"a": b"1", "b": b"2"}, nonce())).set_keys == ["a", "b"]
    assert stores.change(StoreCompareSet("r", "p", "a", b"1", b"3", nonce())).set_keys == ["a"]
    assert stores.change(StoreCompareSet("r", "p", "a", b"1", b"4", nonce())) == (Value(b"3"), [], None)
    assert stores.change(StoreCompareSet("r", "p", "c", b"1", b"4", nonce())) == (Absent(), [], None)
    assert stores.change(StoreDelete("r", "p", "a", nonce())) == (Done(), [], None)
    assert stores.change(StoreDelete("r", "p", "a", nonce())) == (Kept(), [], None)


@pytest.mark.parametrize(
    "make",
    [
        lambda name: StoreSet("r", "p", {"n": b"9"}, name),
        lambda name: StoreCompareSet("r", "p", "n", b"1", b"9", name),
        lambda name: StoreAdd("r", "p", "n", "5", name),
        lambda name: StoreDelete("r", "p", "n", name),
    ],
    ids=["set", "compare_set", "add", "delete"],
)
def test_a_write_sent_twice_takes_effect_once(
    make: Callable[[bytes], StoreSet], stores: Stores, put: Callable[..., object], look: Callable[..., object]
) -> None:
    """The copy gets the same answer, wakes nobody, and undoes nothing that came in between."""
    put("n", b"1")
    request = make(nonce())
    first = stores.change(request)
    put("n", b"later")
    assert stores.change(request) == (first.answer, (), None)
    assert look("n") == Values([b"later"])


def test_adding_counts_in_decimal_text(stores: Stores, put: Callable[..., object], look: Callable[..., object]) -> None:
    """From nothing it starts at 0, of any size; what is not an integer stays as it is."""
    assert stores.change(StoreAdd("r", "p", "n", "5", nonce())).answer == Value(b"5")
    assert stores.change(StoreAdd("r", "p", "n", str(-(10**30)), nonce())).answer == Value(b"%d" % (5 - 10**30))
    put("word", b"x" * 100)
    assert stores.change(StoreAdd("r", "p", "word", "1", nonce())) == (NoInteger(b"x" * 40), [], None)
    assert stores.change(StoreAdd("r", "p", "m", "no number", nonce())).answer == NoInteger(b"0")
    assert look("word") == Values([b"x" * 100])


def test_what_is_missing_is_named_and_waited_for_one_after_the_other(
    stores: Stores, put: Callable[..., object]
) -> None:
    """A question for several keys waits for one that is not there, until there is none."""
    question = StoreGet("r", "p", ["a", "b", "c"], 1.0, True)
    put("b", b"2")
    assert stores.get(question) == Missing(["a", "c"])
    assert stores.missing(question) == ("r", "p", "a")
    put("a", b"1")
    assert stores.missing(question) == ("r", "p", "c")
    put("c", b"3")
    assert stores.missing(question) is None
    assert stores.get(question) == Values([b"1", b"2", b"3"])
    assert stores.get(StoreGet("r", "p", ["a"], 0.0, False)) == Done()


def test_a_run_keeps_the_stores_used_last(
    stores: Stores, put: Callable[..., object], look: Callable[..., object]
) -> None:
    """One too many displaces the one used longest ago; from then on every call on that is told so."""
    prefixes = [f"epoch/{number}" for number in range(KEPT_STORES)]
    for prefix in prefixes:
        put("k", b"v", prefix=prefix)
    look("k", prefix=prefixes[0])
    outcome = stores.change(StoreSet("r", "epoch/new", {"k": b"v"}, nonce()))
    assert outcome == (Done(), ["k"], prefixes[1])
    assert look("k", prefix=prefixes[0]) == Values([b"v"])
    assert look("k", prefix=prefixes[1]) == Over()
    assert put("k", b"v", prefix=prefixes[1]) == Over()
    assert stores.count(StoreCount("r", prefixes[1])) == Over()
    assert stores.missing(StoreGet("r", prefixes[1], ["other"], 1.0, True)) is None


def test_other_runs_displace_nothing(stores: Stores, put: Callable[..., object], look: Callable[..., object]) -> None:
    """The limit is each run's own."""
    put("k", b"v")
    for number in range(3 * KEPT_STORES):
        put("k", b"w", run=f"other-{number}")
    assert look("k") == Values([b"v"])


def test_reading_makes_no_store(stores: Stores, look: Callable[..., object]) -> None:
    """A request for what nobody has written leaves nothing behind."""
    assert look("k") == Missing(["k"])
    assert stores.count(StoreCount("r", "p")) == Count(0)
    assert len(stores) == 0


def test_rounds_without_end_take_no_more_memory(
    stores: Stores, put: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of thousands of rounds the last few are kept, with the names of some more and the answers to some writes."""
    monkeypatch.setattr(_stores, "REMEMBERED_WRITES", 100)
    for number in range(2000):
        put("k", b"v" * 1000, prefix=f"epoch/{number}")
    kept, ((run, dropped),), answers = stores.copy_out()
    assert [each[0] for each in kept] == ["r"] * KEPT_STORES
    assert (run, len(dropped)) == ("r", 64)
    assert len(answers) == 100


def test_large_values_are_told_piece_by_piece(
    put: Callable[..., object], look: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer holds as many values as fit, and one in any case."""
    monkeypatch.setattr(_stores, "PAGE_BYTES", 100)
    for key in "abc":
        put(key, key.encode() * 60)
    put("large", b"l" * 1000)
    assert look("a", "b", "c") == Values([b"a" * 60])
    assert look("large", "a") == Values([b"l" * 1000])
