"""RDZV-STORE-2, 3, 8 and 9: what a store keeps, who wins, what is named missing, and what wakes."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import equal, raises, shown, that
from rdzv_conformance.harness.threads import Running, race
from rdzv_conformance.suite.awkward import awkward_values
from rdzv_conformance.suite.pairs import two_stores
from rdzv_core import RendezvousTimeoutError

RACERS = 3
RACES = 400
LEAST_RACES = 8
RACE_SECONDS = 1.5
SIZES = (1023, 4096, 8192, 16_385, 32_768, 65_535, 65_536, 65_537, 70_000, 100_000, 128 * 1024)
SHORT = 0.2
SOON = 5.0
LONG = 30.0


class StoreValues:
    """Values are bytes of any size and content, and whatever sets one wakes who waits for it."""

    @clause("RDZV-STORE-2")
    def test_RDZV_STORE_2_every_missing_key_is_named_and_no_other(self, under_test: BackendUnderTest) -> None:
        """Of five keys three are missing: the error of multi_get and of wait names those three."""
        one, _ = two_stores(under_test, "values")
        one.multi_set({"here-1": b"", "here-2": b"2"})
        keys = ["missing-1", "here-1", "missing-2", "here-2", "missing-3"]
        for what, call in (("multi_get", one.multi_get), ("wait", one.wait)):
            error = raises(RendezvousTimeoutError, f"{what} of keys of which three do not come", call, keys, SHORT)
            for key in keys:
                named = key in str(error)
                right = "names" if named else "does not name"
                that(named is key.startswith("missing"), f"the error of {what} {right} the key {key!r}: {error}")

    @clause("RDZV-STORE-3")
    def test_RDZV_STORE_3_of_racing_compare_sets_one_wins(self, under_test: BackendUnderTest) -> None:
        """Threads of two instances expect the same and want different values: one gets its own, the others that one."""
        stores = [*two_stores(under_test, "values"), two_stores(under_test, "values")[0]]
        ends = time.monotonic() + RACE_SECONDS

        def racer(number: int) -> list[bytes | None]:
            gave: list[bytes | None] = []
            for turn in range(RACES):
                if turn >= LEAST_RACES and time.monotonic() > ends:
                    break
                gave.append(stores[number].compare_set(f"raced-{turn}", None, b"%d" % number))
            return gave

        told = race(RACERS, racer, under_test.target.pace)
        for turn, answers in enumerate(zip(*told, strict=False)):
            that(
                len({*answers}) == 1,
                f"of {RACERS} that raced to create one key with compare_set, each was told its own or another's value: "
                f"{shown(answers)}; one must win and all be told its value",
            )
            equal("the value after a race", stores[0].get(f"raced-{turn}", under_test.paced(SOON)), answers[0])

    @clause("RDZV-STORE-3")
    def test_RDZV_STORE_3_a_chain_of_compare_sets_loses_nothing(self, under_test: BackendUnderTest) -> None:
        """Threads count up by compare_set alone: as many times as one was told that it won the number has grown."""
        stores = [*two_stores(under_test, "values"), two_stores(under_test, "values")[0]]
        stores[0].set("counter", b"0")
        ends = time.monotonic() + RACE_SECONDS

        def racer(number: int) -> int:
            won = tried = 0
            while tried < LEAST_RACES or (tried < RACES and time.monotonic() < ends):
                tried += 1
                found = stores[number].get("counter", SOON)
                value, _, _ = found.partition(b" ")
                mine = b"%d by %d at %d" % (int(value) + 1, number, tried)
                won += stores[number].compare_set("counter", found, mine) == mine
            return won

        won = race(RACERS, racer, under_test.target.pace)
        value, _, _ = stores[0].get("counter", under_test.paced(SOON)).partition(b" ")
        equal("the number that was counted up by compare_set", int(value), sum(won))

    @clause("RDZV-STORE-8")
    def test_RDZV_STORE_8_a_value_is_kept_byte_for_byte(self, under_test: BackendUnderTest) -> None:
        """Whatever it begins with or looks like: by set, by multi_set and by compare_set, read by get and multi_get."""
        one, other = two_stores(under_test, "values")
        values = [*awkward_values()]
        one.multi_set({f"m{number}": value for number, value in enumerate(values)})
        limit = under_test.paced(SOON)
        for value, found in zip(values, other.multi_get([f"m{n}" for n in range(len(values))], limit), strict=True):
            that(found == value, f"the value {shown(value)}, set by multi_set, is read as {shown(found)}")
        before: bytes | None = None
        for number, value in enumerate(values[:40]):
            if number % 2:
                one.set("key", value)
            else:
                equal(f"what compare_set to {shown(value)} gave", one.compare_set("key", before, value), value)
            before = other.get("key", limit)
            that(before == value, f"the value {shown(value)} is read as {shown(before)}")

    @clause("RDZV-STORE-8")
    def test_RDZV_STORE_8_a_value_of_any_size_is_kept_whole(self, under_test: BackendUnderTest) -> None:
        """Up to 128 KiB, each in the place of a longer one."""
        one, other = two_stores(under_test, "values")
        for size in sorted(SIZES, reverse=True):
            value = hashlib.shake_128(b"%d" % size).digest(size)
            one.set("key", value)
            found = other.get("key", under_test.paced(SOON))
            that(found == value, f"a value of {size} bytes came back with {len(found)}, or with other bytes")

    @clause("RDZV-STORE-9")
    def test_RDZV_STORE_9_whatever_sets_a_key_wakes_who_waits(self, under_test: BackendUnderTest) -> None:
        """set, multi_set, compare_set and add: a get, and a wait for several keys of which it is the last."""
        one, other = two_stores(under_test, "values")
        ways: dict[str, Callable[[str], object]] = {
            "set": lambda key: one.set(key, b"1"),
            "multi_set": lambda key: one.multi_set({"else": b"", key: b"1", "more": b""}),
            "compare_set": lambda key: one.compare_set(key, None, b"1"),
            "add": lambda key: one.add(key, 1),
        }
        one.set("there", b"")
        begun: dict[str, list[Running[object]]] = {
            way: [
                Running(other.get, way, under_test.paced(LONG)),
                Running(other.wait, ["there", way, "there"], under_test.paced(LONG)),
            ]
            for way in ways
        }
        for way, does in ways.items():
            for each in begun[way]:
                that(not each.ended(SHORT / 4), "a wait for a key that is not there returned")
            does(way)
            limit = under_test.paced(SOON)
            for each in begun[way]:
                each.result(limit, f"a call that waits for a key has not ended {limit:.0f} s after {way} set that key")

    @clause("RDZV-STORE-9")
    def test_RDZV_STORE_9_a_key_that_went_again_is_not_there(self, under_test: BackendUnderTest) -> None:
        """Of two keys one comes, goes, and the other comes: who waits for both waits on, until both are there."""
        one, other = two_stores(under_test, "values")
        waiting = Running(other.multi_get, ["a", "b"], under_test.paced(LONG))
        that(not waiting.ended(SHORT), "a wait for keys that are not there returned")
        one.set("a", b"1")
        that(not waiting.ended(under_test.paced(SHORT)), "a wait for two keys returned when one of them came")
        one.delete_key("a")
        one.set("b", b"2")
        that(not waiting.ended(under_test.paced(SHORT)), "multi_get returned, though one of its keys was deleted again")
        one.set("a", b"3")
        limit = under_test.paced(SOON)
        equal("what multi_get gave", waiting.result(limit, "multi_get was not woken by its last key"), [b"3", b"2"])
