"""The agent's store does what torch's own stores do, with their values and errors."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import torch.distributed as dist
import torch.distributed.elastic.utils.store as store_util

import rdzv_core

Pair = tuple[Any, Any]


@pytest.fixture
def pair(node: Any, meet: Any) -> Pair:
    """Return torch's store, and this one, with nothing in them that the test has not set."""
    (info,) = meet(node("1"))
    return dist.TCPStore("localhost", 0, is_master=True, timeout=timedelta(seconds=5)), info.store


CALLS: dict[str, Callable[[Any], Any]] = {
    "text is kept as bytes": lambda store: (store.set("key", "value"), store.get("key")),
    "bytes": lambda store: (store.set("key", b"\x00\xff"), store.get("key")),
    "a sum": lambda store: [store.add("sum", 3), store.add("sum", -1), store.get("sum")],
    "added to what was set": lambda store: (store.set("sum", "40"), store.add("sum", 2)),
    "check": lambda store: [
        store.check(["key"]),
        store.set("key", "v"),
        store.check(["key"]),
        store.check(["key", "no"]),
    ],
    "compare_set of an absent key": lambda store: [store.compare_set("key", "", "new"), store.get("key")],
    "compare_set of an absent key that should be there": lambda store: [
        store.compare_set("key", "old", "new"),
        store.check(["key"]),
    ],
    "compare_set of another value": lambda store: [store.set("key", "a"), store.compare_set("key", "b", "c")],
    "compare_set of the value": lambda store: [
        store.set("key", "a"),
        store.compare_set("key", "a", "c"),
        store.get("key"),
    ],
    "compare_set of an empty value": lambda store: [
        store.set("key", ""),
        store.compare_set("key", "", "c"),
        store.get("key"),
    ],
    "delete_key": lambda store: [store.set("key", "a"), store.delete_key("key"), store.delete_key("key")],
    "many": lambda store: [store.multi_set(["a", "b"], ["1", b"2"]), store.multi_get(["b", "a"])],
    "wait for what is there": lambda store: [
        store.set("a", "1"),
        store.wait(["a"]),
        store.wait(["a"], timedelta(0, 1)),
    ],
    "a timeout": lambda store: [store.set_timeout(timedelta(seconds=9)), store.timeout],
}


@pytest.mark.parametrize("name", CALLS)
def test_it_answers_as_torchs_store_does(name: str, pair: Pair) -> None:
    """The same calls in the same order, of both."""
    theirs, ours = (CALLS[name](store) for store in pair)
    assert theirs == ours


MISSING: dict[str, Callable[[Any], Any]] = {
    "get": lambda store: store.get("no"),
    "multi_get": lambda store: store.multi_get(["no"]),
    "wait": lambda store: store.wait(["no"]),
    "wait with a timeout": lambda store: store.wait(["no"], timedelta(milliseconds=50)),
}


@pytest.mark.parametrize("name", MISSING)
def test_what_nobody_sets_is_torchs_error_after_the_timeout(name: str, pair: Pair) -> None:
    """`DistStoreError`, which is what torch's barriers catch; rdzv's is chained."""
    for store in pair:
        store.set_timeout(timedelta(milliseconds=100))
        with pytest.raises(dist.DistStoreError) as caught:
            MISSING[name](store)
    assert isinstance(caught.value.__cause__, rdzv_core.RendezvousTimeoutError)
    assert "'no'" in str(caught.value)


def test_its_timeout_is_torchs_default() -> None:
    """300 s, until `set_timeout` says otherwise."""
    assert timedelta(seconds=300) == dist.HashStore().timeout


def test_it_works_under_a_prefix(pair: Pair) -> None:
    """torch's PrefixStore calls it from C++."""
    for store in pair:
        prefixed = dist.PrefixStore("p", store)
        prefixed.set("key", "value")
        prefixed.multi_set(["a"], ["1"])
        assert (b"value", [b"1"], True) == (prefixed.get("key"), prefixed.multi_get(["a"]), prefixed.check(["key"]))
        assert (2, b"2") == (prefixed.add("a", 1), store.get("p/a"))
        assert prefixed.delete_key("key")
        assert isinstance(prefixed.num_keys(), int)


def test_torchs_barrier_passes_and_times_out_on_it(node: Any, meet: Any, begin: Any) -> None:
    """All who come pass; one that is alone gets torch's error, with the ranks that are missing."""
    first, second = meet(node("2"), node("2"))
    waits = [begin(lambda info=info: store_util.barrier(info.store, 2, "both", 30)) for info in (first, second)]
    assert [None, None] == [wait.result(60) for wait in waits]
    with pytest.raises(dist.DistStoreError):
        store_util.barrier(first.store, 2, "alone", 0.1)
    with pytest.raises(dist.DistStoreError, match=r"missing_ranks=\[1\]"):
        store_util.barrier(first.store, 2, "named", 0.1, rank=0, trace_timeout=0.1)


def test_a_barrier_ends_when_the_round_does(node: Any, meet: Any, begin: Any) -> None:
    """A peer that has gone will not come: nobody waits for it until the timeout."""
    one, other = node(), node()
    (first, _) = meet(one, other)
    waiting = begin(lambda: store_util.barrier(first.store, 2, "exit", 300))
    try:
        raise RuntimeError("its workers failed")  # noqa: TRY301
    except RuntimeError:
        other.shutdown()
    with pytest.raises(dist.DistStoreError, match="round 1 is over") as caught:
        waiting.result(60)
    assert isinstance(caught.value.__cause__, rdzv_core.RendezvousRoundOverError)


class Away(rdzv_core.Store):
    """A store that is out of reach for the first calls, and then holds what it is given."""

    def __init__(self, calls: int) -> None:
        self.left, self.values = calls, {}

    def _called(self) -> None:
        self.left -= 1
        if self.left >= 0:
            raise rdzv_core.RendezvousConnectionError("connection refused")

    def multi_set(self, items: Any) -> None:
        self._called()
        self.values.update(items)

    def multi_get(self, keys: Any, timeout: float | None = None) -> list[bytes]:
        self._called()
        return [self.values[key] for key in keys]

    def add(self, key: str, amount: int) -> int:
        self._called()
        return amount

    set = get = compare_set = check = wait = delete_key = num_keys = None


def away(calls: int, change: Any = None) -> Any:
    from rdzv_torchrun._ranks import RankAssignment
    from rdzv_torchrun._store import AgentStore

    def told(seconds: float) -> Any:
        threading.Event().wait(0 if change else seconds)  # as a handler does, whose round stands
        return change

    return AgentStore(Away(calls), told, RankAssignment(2))


def test_an_outage_of_the_store_is_borne_with() -> None:
    """What can be repeated is; a sum cannot, and says that the network is to blame."""
    store = away(2)
    store.set("key", "value")
    assert b"value" == store.get("key")
    with pytest.raises(dist.DistNetworkError, match="connection refused"):
        away(1).add("sum", 1)


def test_an_outage_longer_than_the_timeout_is_torchs_network_error() -> None:
    """After the timeout, not before."""
    store = away(1000)
    store.set_timeout(timedelta(milliseconds=300))
    with pytest.raises(dist.DistNetworkError, match="connection refused"):
        store.get("key")


def test_nobody_waits_for_a_store_in_a_round_that_is_over() -> None:
    """A node that was fenced meanwhile has to meet again first."""
    fenced = rdzv_core.Change(rdzv_core.ChangeReason.FENCED, "")
    with pytest.raises(dist.DistNetworkError):
        away(1000, fenced).get("key")
