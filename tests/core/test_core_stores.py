"""The store of a round: the same on memory's own and on one register."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from rdzv_core import RendezvousConnectionError, RendezvousStateError, RendezvousTimeoutError, Store
from rdzv_core._fallback import RegisterStore, release, siblings_of, store_of

MakeStore = Callable[[int], Store]


@pytest.fixture(params=["native", "register"])
def make_store(request: pytest.FixtureRequest, make_memory: Any, make_bare: Any, closing: Any) -> MakeStore:
    """Makes stores of one run and epoch, by generation, each as another node would have it."""

    def make(generation: int = 1) -> Store:
        backend = make_memory() if request.param == "native" else make_bare()
        store = store_of(backend, "epoch", generation)
        assert isinstance(store, RegisterStore) == (request.param == "register")
        closing.callback(release, store)
        return store

    return make


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    """A store of generation 1."""
    return make_store(1)


def test_it_does_as_a_map_does(store: Store, make_store: MakeStore) -> None:
    """set, get, check, delete_key and num_keys, as another node sees them too."""
    other = make_store(1)
    store.set("a", b"1")
    store.multi_set({"b": b"\xff\0", "": b""})
    assert other.get("b") == b"\xff\0"
    assert other.multi_get(["", "a"]) == [b"", b"1"]
    assert (other.check(["a", "b"]), other.check(["a", "c"]), other.check([])) == (True, False, True)
    assert other.num_keys() == 3
    assert (other.delete_key("a"), store.delete_key("a")) == (True, False)
    store.set("b", b"2")
    assert (store.get("b"), store.num_keys()) == (b"2", 2)


def test_compare_set_tells_what_is_there_then(store: Store) -> None:
    """compare_set sets what is as expected, None for absent, and gives what is there after it."""
    assert store.compare_set("k", b"x", b"y") is None
    assert store.num_keys() == 0
    assert store.compare_set("k", None, b"a") == b"a"
    assert store.compare_set("k", None, b"b") == b"a"
    assert store.compare_set("k", b"a", b"b") == b"b"
    assert store.compare_set("k", b"a", b"c") == b"b"


def test_add_counts_in_decimal_text(store: Store) -> None:
    """add starts at nothing, takes negative amounts, and refuses what is not an integer."""
    assert [store.add("n", amount) for amount in (3, -2, 0)] == [3, 1, 1]
    assert store.get("n") == b"1"
    store.set("text", b"x")
    with pytest.raises(ValueError, match="'text' holds b'x'"):
        store.add("text", 1)
    assert store.get("text") == b"x"


def test_no_addition_of_many_threads_is_lost(make_store: MakeStore) -> None:
    """Eight nodes add up to 200, and each sum is given once."""
    stores = [make_store(1) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        sums = [
            total for part in pool.map(lambda store: [store.add("n", 1) for _ in range(25)], stores) for total in part
        ]
    assert sorted(sums) == list(range(1, 201))


def test_get_waits_until_the_key_is_there(store: Store, make_store: MakeStore) -> None:
    """get, wait and multi_get block until another node has set the last key."""
    other = make_store(1)
    with ThreadPoolExecutor(3) as pool:
        waiting: list[Future[Any]] = [
            pool.submit(store.get, "b", 60.0),
            pool.submit(store.wait, ["a", "b"], 60.0),
            pool.submit(store.multi_get, ["a", "b"], 60.0),
        ]
        other.set("a", b"1")
        other.set("b", b"2")
        assert [each.result(20) for each in waiting] == [b"2", None, [b"1", b"2"]]


def test_a_timeout_names_what_is_missing(store: Store) -> None:
    """What is not there in time is named; what is there is not."""
    store.set("here", b"")
    for call in (
        lambda: store.get("gone", 0.01),
        lambda: store.wait(["here", "gone"], 0.01),
        lambda: store.multi_get(["gone", "here"], 0),
    ):
        with pytest.raises(RendezvousTimeoutError, match="'gone'") as caught:
            call()
        assert "'here'" not in str(caught.value)


def test_a_key_that_no_store_can_keep_is_refused(store: Store) -> None:
    """A lone surrogate in a key is a ValueError."""
    for call in (lambda: store.set("\ud800", b""), lambda: store.add("\ud800", 1)):
        with pytest.raises(ValueError, match="surrogate"):
            call()


def test_a_later_round_finds_it_empty(store: Store, make_store: MakeStore) -> None:
    """A store is private to its round: the next one's starts empty."""
    store.set("k", b"1")
    later = make_store(2)
    assert (later.num_keys(), later.check(["k"])) == (0, False)
    later.set("l", b"2")
    assert later.num_keys() == 1


def test_a_register_store_of_an_earlier_round_says_that_it_is_over(make_bare: Any, closing: Any) -> None:
    """Once a later round has written, a node that is still in the earlier one is told, also while waiting."""
    earlier, later = (store_of(make_bare(), "epoch", generation) for generation in (1, 2))
    closing.callback(release, earlier)
    closing.callback(release, later)
    earlier.set("k", b"1")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(earlier.get, "l", 60.0)
        later.set("l", b"2")
        with pytest.raises(RendezvousStateError, match="round is over"):
            waiting.result(20)
    for call in (earlier.num_keys, lambda: earlier.set("k", b"2"), lambda: earlier.add("n", 1)):
        with pytest.raises(RendezvousStateError, match="round is over, round 2 has the store now"):
            call()


def test_a_register_store_that_is_full_says_so(make_bare: Any, closing: Any) -> None:
    """More than the register takes is a ValueError with both sizes, and nothing is written."""
    store = store_of(make_bare(), "epoch", 1)
    closing.callback(release, store)
    with pytest.raises(ValueError, match=r"store of round 1 .* is full: .* takes 262144"):
        store.set("k", bytes(262144))
    assert store.num_keys() == 0


def test_a_register_that_holds_something_else_is_a_state_error(make_bare: Any, closing: Any) -> None:
    """What is not a store's map cannot be read, and is not overwritten."""
    backend = make_bare()
    store = store_of(backend, "epoch", 1)
    closing.callback(release, store)
    foreign = backend.sibling("store.epoch")
    foreign.set_state(b'{"v": 2}')
    for call in (store.num_keys, lambda: store.set("k", b"")):
        with pytest.raises(RendezvousStateError, match="cannot be read"):
            call()
    assert foreign.get_state()[0] == b'{"v": 2}'


def test_closing_a_register_store_ends_waits_and_releases_its_register(make_bare: Any) -> None:
    """A closed store raises, wakes who waits in it, and leaves no register open; the backend stays open."""
    backend = make_bare()
    store = store_of(backend, "epoch", 1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(store.get, "k", 60.0)
        release(store)
        with pytest.raises(RendezvousConnectionError, match="closed"):
            waiting.result(10)
    release(store)
    with pytest.raises(RendezvousConnectionError, match="closed"):
        store.num_keys()
    assert [sibling.closed for sibling in backend.open_siblings] == [True]
    assert backend.get_state() is None


def test_the_rounds_of_an_epoch_share_one_register(make_bare: Any) -> None:
    """Each has its own map all the same, and closing what they share ends them all, and later calls too."""
    backend = make_bare()
    siblings = siblings_of(backend, "the store of rounds")
    stores = [store_of(backend, "epoch", generation, siblings) for generation in range(10)]
    assert len(backend.open_siblings) == 1
    stores[0].set("k", b"1")
    assert [stores[0].num_keys(), stores[1].num_keys()] == [1, 0]
    release(stores[0])
    stores[2].set("k", b"2")
    assert stores[3].num_keys() == 0
    siblings.close()
    assert [sibling.closed for sibling in backend.open_siblings] == [True]
    for late in (stores[0].num_keys, lambda: store_of(backend, "epoch", 11, siblings)):
        with pytest.raises(RendezvousConnectionError, match="the store of rounds on backend 'bare' is closed"):
            late()


def test_a_wait_ends_with_its_store_also_where_a_closed_register_still_answers(
    make_bare: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend that holds nothing need not say so: its `close` does nothing."""
    asked = threading.Event()
    backend = make_bare(lambda what, key: asked.set())
    monkeypatch.setattr(type(backend), "close", lambda self: None)
    store = store_of(backend, "epoch", 1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(store.get, "k", 60.0)
        assert asked.wait(10)
        release(store)
        with pytest.raises(RendezvousConnectionError, match="closed"):
            waiting.result(10)


def test_one_register_that_cannot_be_closed_keeps_no_other_from_it(make_bare: Any) -> None:
    """All are closed, and the error comes out; once."""
    backend = make_bare()
    siblings = siblings_of(backend, "the stores")
    registers: list[Any] = [siblings.sibling(purpose) for purpose in "abc"]
    whole = registers[1].close

    def fail() -> None:
        whole()
        raise OSError("on purpose")

    registers[1].close = fail
    with pytest.raises(OSError, match="on purpose"):
        siblings.close()
    assert all(register.closed for register in registers)
    siblings.close()
