"""RDZV-STORE: the key-value store of a round."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

from itertools import chain

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import equal, raises, that
from rdzv_conformance.harness.threads import Running, race
from rdzv_conformance.suite.pairs import two_stores
from rdzv_core import RendezvousTimeoutError, SupportsStore

LONG = 30.0
SOON = 5.0
SHORT = 0.2
ADDERS = 4
STEPS = 10
INTEGERS = {b"+5": 5, b"007": 7, b"-07": -7, b"+08": 8, b"010": 10, b"-0": 0, b"00": 0}
"""Decimal digits, and what they are: no sign and no zero makes them other ones."""


class KeyValueStore:
    """A map that several hold, and on which one can wait."""

    @clause("RDZV-STORE-1")
    def test_RDZV_STORE_1_it_does_as_a_map_does(self, under_test: BackendUnderTest) -> None:
        """What one sets the other gets; deleting, counting and many at once do as they say."""
        one, other = two_stores(under_test, "round-1")
        one.set("a", b"1")
        one.multi_set({"b": b"\x00\xff", "": b"", "ä/..\n": b"4"})
        equal(
            "multi_get",
            other.multi_get(["ä/..\n", "a", "b", ""], under_test.paced(SOON)),
            [b"4", b"1", b"\x00\xff", b""],
        )
        equal("num_keys()", other.num_keys(), 4)
        equal("check of all that are there", other.check(["a", "b"]), True)
        equal("check of one that is not there", other.check(["a", "c"]), False)
        one.set("a", b"again")
        equal("get", other.get("a", under_test.paced(SOON)), b"again")
        equal("delete_key of one that is there", other.delete_key("a"), True)
        equal("delete_key of one that is not there", other.delete_key("a"), False)
        equal("check of a deleted one", one.check(["a"]), False)
        equal("num_keys() after a deletion", one.num_keys(), 3)

    @clause("RDZV-STORE-2")
    def test_RDZV_STORE_2_get_and_wait_block_until_the_key_is_there(self, under_test: BackendUnderTest) -> None:
        """A reader of a key that is not there yet gets it when it comes."""
        one, other = two_stores(under_test, "round-1")
        asked: list[Running[object]] = [
            Running(other.get, "late", under_test.paced(LONG)),
            Running(other.multi_get, ["late"], under_test.paced(LONG)),
            Running(other.wait, ["late"], under_test.paced(LONG)),
        ]
        that(not asked[0].ended(under_test.paced(SHORT)), "get of a key that is not there returned")
        one.set("late", b"here")
        limit = under_test.paced(SOON)
        late = f"a blocked call has not ended {limit:.0f} s after the key came"
        answers = [each.result(limit, late) for each in asked]
        equal("what get, multi_get and wait gave", answers, [b"here", [b"here"], None])

    @clause("RDZV-STORE-2")
    def test_RDZV_STORE_2_a_wait_in_vain_names_what_is_missing(self, under_test: BackendUnderTest) -> None:
        """After the timeout the error names the keys that are not there."""
        one, _ = two_stores(under_test, "round-1")
        one.set("there", b"1")
        calls = {
            "get": lambda: one.get("missing", SHORT),
            "multi_get": lambda: one.multi_get(["there", "missing"], SHORT),
            "wait": lambda: one.wait(["there", "missing"], SHORT),
        }
        for what, call in calls.items():
            error = raises(RendezvousTimeoutError, f"{what} of a key that does not come", call)
            that("missing" in str(error), f"the error of {what} does not name the missing key: {error}")

    @clause("RDZV-STORE-3")
    def test_RDZV_STORE_3_compare_set_sets_what_is_as_expected(self, under_test: BackendUnderTest) -> None:
        """compare_set creates what is absent, replaces what is as expected, and else tells what is there."""
        one, other = two_stores(under_test, "round-1")
        equal("compare_set(absent, expected=b'x')", one.compare_set("k", b"x", b"1"), None)
        equal("compare_set(absent, expected=None)", one.compare_set("k", None, b"1"), b"1")
        equal("compare_set(present, expected=None)", other.compare_set("k", None, b"2"), b"1")
        equal("compare_set(as expected)", other.compare_set("k", b"1", b"2"), b"2")
        equal("get", one.get("k", under_test.paced(SOON)), b"2")

    @clause("RDZV-STORE-3")
    def test_RDZV_STORE_3_adding_loses_nothing(self, under_test: BackendUnderTest) -> None:
        """Four threads on two stores add: every sum is seen once, and the last is right."""
        both = two_stores(under_test, "round-1")
        sums = race(ADDERS, lambda number: [both[number % 2].add("n", 1) for _ in range(STEPS)], under_test.target.pace)
        total = ADDERS * STEPS
        equal("the sums that add gave", sorted(chain.from_iterable(sums)), list(range(1, total + 1)))
        equal("what is kept", both[0].get("n", under_test.paced(SOON)), b"%d" % total)

    @clause("RDZV-STORE-4")
    def test_RDZV_STORE_4_prefixes_and_runs_share_no_key(self, under_test: BackendUnderTest) -> None:
        """A key of one store is in no store of another prefix or run, however they are spelled."""
        one = under_test.needs(SupportsStore, under_test.open())
        other = under_test.needs(SupportsStore, under_test.open(f"{under_test.run_id}-other"))
        stores = [one.store("p"), one.store("p/k"), one.store("P"), other.store("p")]
        for number, store in enumerate(stores):
            store.set("k", b"%d" % number)
            store.set("k/k", b"%d" % number)
        for number, store in enumerate(stores):
            equal("the values of a store", store.multi_get(["k", "k/k"], under_test.paced(SOON)), [b"%d" % number] * 2)
            equal("num_keys()", store.num_keys(), 2)

    @clause("RDZV-STORE-5")
    def test_RDZV_STORE_5_adding_to_what_is_no_integer_changes_nothing(self, under_test: BackendUnderTest) -> None:
        """add to other bytes is a ValueError; negative amounts and integers that were set are added to."""
        one, other = two_stores(under_test, "round-1")
        one.set("text", b"ten")
        raises(ValueError, "add to b'ten'", one.add, "text", 1)
        equal("the value after add was refused", other.get("text", under_test.paced(SOON)), b"ten")
        one.set("number", b"10")
        equal("the sum of b'10' and -11", other.add("number", -11), -1)
        equal("the value after add", one.get("number", under_test.paced(SOON)), b"-1")
        one.multi_set({text.decode(): text for text in INTEGERS})
        for text, number in INTEGERS.items():
            equal(f"the sum of {text!r} and 1", other.add(text.decode(), 1), number + 1)
