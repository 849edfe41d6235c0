"""RDZV-STORE-1 and 9: no keys, the same key twice, many of them, and who is woken when many wait."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import time
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import equal, that
from rdzv_conformance.harness.threads import Running
from rdzv_conformance.suite.pairs import two_stores
from rdzv_core import Store, SupportsStore

MANY, LEAST_MANY = 1100, 300
QUICK = 0.1
"""Seconds that as many as that may take, or it is the least."""
ROUNDS, KEPT = 8, 3
WAITING = 6
SHORT = 0.2
SOON = 5.0
LONG = 30.0


class StoreEdges:
    """A map without keys, with one key twice, and with many."""

    @clause("RDZV-STORE-1")
    def test_RDZV_STORE_1_no_keys_and_the_same_key_twice(self, under_test: BackendUnderTest) -> None:
        """Of no keys all are there; a key that is asked for twice is given twice; a value may be set to itself."""
        one, other = two_stores(under_test, "edges")
        limit = under_test.paced(SOON)
        equal("multi_get([])", one.multi_get([], limit), [])
        equal("wait([])", one.wait([], limit), None)
        equal("check([])", one.check([]), True)
        one.multi_set({})
        equal("num_keys() after multi_set({})", one.num_keys(), 0)
        one.multi_set({"a": b"1", "b": b"2"})
        equal("multi_get(['b', 'a', 'b'])", other.multi_get(["b", "a", "b"], limit), [b"2", b"1", b"2"])
        equal("multi_get of an iterator", other.multi_get(iter(["a", "b"]), limit), [b"1", b"2"])
        equal("check(['a', 'a'])", other.check(["a", "a"]), True)
        equal("wait(['a', 'a'])", other.wait(["a", "a"], limit), None)
        equal("compare_set to what is there", other.compare_set("a", b"1", b"1"), b"1")
        equal("compare_set of an empty value, expecting none", other.compare_set("c", None, b""), b"")
        equal("compare_set, expecting none where the value is empty", one.compare_set("c", None, b"3"), b"")
        equal("compare_set, expecting the empty value", one.compare_set("c", b"", b"3"), b"3")
        equal("compare_set to an empty value", one.compare_set("c", b"3", b""), b"")
        one.set("b", b"")
        equal("check of keys that were set to an empty value", other.check(["b", "c"]), True)
        equal("multi_get of keys that were set to an empty value", other.multi_get(["b", "c"], limit), [b"", b""])
        equal("num_keys()", other.num_keys(), 3)

    @clause("RDZV-STORE-1")
    def test_RDZV_STORE_1_of_many_keys_each_is_there(self, under_test: BackendUnderTest) -> None:
        """Hundreds of keys at once: counted, read in the order that is asked for, and deleted one by one."""
        one, other = two_stores(under_test, "edges")
        many = MANY if _multi_set_takes(one, MANY) < QUICK * under_test.target.pace else LEAST_MANY
        items = {f"key-{number}": b"%d" % number for number in range(many)}
        one.multi_set(items)
        equal("num_keys() of many", other.num_keys(), many)
        keys = sorted(items, reverse=True)
        found = other.multi_get(keys, under_test.paced(SOON))
        wrong = [key for key, value in zip(keys, found, strict=True) if value != items[key]]
        equal(f"the keys of {many} that multi_get gave another value for", wrong, [])
        equal(f"check of {many} keys", other.check(keys), True)
        equal(f"check of {many} keys and one that is not there", other.check([*keys, "none"]), False)
        deleted = keys[::100]
        for key in deleted:
            equal(f"delete_key({key!r})", one.delete_key(key), True)
        equal(f"num_keys() after {len(deleted)} were deleted", other.num_keys(), many - len(deleted))

    @clause("RDZV-STORE-1")
    def test_RDZV_STORE_1_what_is_set_outlives_who_has_set_it(self, under_test: BackendUnderTest) -> None:
        """The only instance of a run sets a key and is closed: who comes then reads it."""
        register = under_test.open()
        under_test.needs(SupportsStore, register).store("edges").set("key", b"1")
        register.close()
        later = under_test.needs(SupportsStore, under_test.open()).store("edges")
        equal("check of a key whose run was left by all for a moment", later.check(["key"]), True)
        equal("get of that key", later.get("key", under_test.paced(SOON)), b"1")

    @clause("RDZV-STORE-1")
    def test_RDZV_STORE_1_the_stores_of_the_last_three_rounds_are_kept(self, under_test: BackendUnderTest) -> None:
        """Round after round makes a store: those of the last three are there, be there ever so many."""
        backend = under_test.needs(SupportsStore, under_test.open())
        limit = under_test.paced(SOON)
        names = [f"round-{number}" for number in range(ROUNDS)]
        for number, name in enumerate(names, 1):
            backend.store(name).set("key", name.encode())
            for kept in names[max(0, number - KEPT) : number]:
                store = backend.store(kept)
                told = f"check of a key of {kept!r}, one of the three stores that were made and used last,"
                equal(told, store.check(["key"]), True)
                equal(f"get of a key of {kept!r}", store.get("key", limit), kept.encode())

    @clause("RDZV-STORE-9")
    def test_RDZV_STORE_9_all_who_wait_are_woken(self, under_test: BackendUnderTest) -> None:
        """Threads of two instances wait for one key, and others for other keys: one set wakes all of its key."""
        stores = two_stores(under_test, "edges")
        limit = under_test.paced(LONG)
        begun = [Running[Any](stores[number % 2].get, "one", limit) for number in range(WAITING)]
        others = [Running[Any](stores[number % 2].get, f"other-{number}", limit) for number in range(WAITING)]
        that(not begun[-1].ended(under_test.paced(SHORT)), "get of a key that is not there returned")
        stores[0].set("one", b"1")
        soon = under_test.paced(SOON)
        for number, each in enumerate(begun):
            late = f"of {WAITING} threads that wait for one key, number {number} has not been woken {soon:.0f} s after"
            equal("what get gave", each.result(soon, f"{late} it was set"), b"1")
        that(not any(each.ended(0.0) for each in others), "a get of another key returned")
        stores[1].multi_set({f"other-{number}": b"%d" % number for number in range(WAITING)})
        for number, each in enumerate(others):
            late = f"get of one of {WAITING} keys has not been woken {soon:.0f} s after multi_set set them all"
            equal("what get gave", each.result(soon, late), b"%d" % number)


def _multi_set_takes(store: Store, many: int) -> float:
    began = time.monotonic()
    store.multi_set({f"key-{number}": b"" for number in range(many // 10)})
    return 10 * (time.monotonic() - began)
