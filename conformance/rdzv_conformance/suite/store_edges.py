"""RDZV-STORE-1 and 9: no keys, the same key twice, many of them, and who is woken when many wait."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import equal, that
from rdzv_conformance.harness.threads import Running
from rdzv_conformance.suite.pairs import two_stores

MANY = 300
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
        equal("num_keys()", other.num_keys(), 3)

    @clause("RDZV-STORE-1")
    def test_RDZV_STORE_1_of_many_keys_each_is_there(self, under_test: BackendUnderTest) -> None:
        """Three hundred keys at once: counted, read in the order that is asked for, and deleted one by one."""
        one, other = two_stores(under_test, "edges")
        items = {f"key-{number}": b"%d" % number for number in range(MANY)}
        one.multi_set(items)
        equal("num_keys() of many", other.num_keys(), MANY)
        keys = sorted(items, reverse=True)
        found = other.multi_get(keys, under_test.paced(SOON))
        wrong = [key for key, value in zip(keys, found, strict=True) if value != items[key]]
        equal("the keys of 300 that multi_get gave another value for", wrong, [])
        equal("check of 300 keys", other.check(keys), True)
        equal("check of 300 keys and one that is not there", other.check([*keys, "none"]), False)
        for key in keys[::100]:
            equal(f"delete_key({key!r})", one.delete_key(key), True)
        equal("num_keys() after three were deleted", other.num_keys(), MANY - 3)

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
