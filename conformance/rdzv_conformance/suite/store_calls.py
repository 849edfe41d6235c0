"""RDZV-STORE-1, 2, 3, 5, 8, 10 and 13: each call takes keys, values and times for what they are."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, equal, raises, shown, shown_error, that
from rdzv_conformance.harness.load import slowness
from rdzv_conformance.harness.threads import Running
from rdzv_conformance.suite.awkward import TWINS
from rdzv_conformance.suite.pairs import two_stores
from rdzv_conformance.suite.store_writer import bytes_of
from rdzv_core import RendezvousTimeoutError

NEARLY: tuple[tuple[bytes, bytes], ...] = (
    *TWINS,
    *((b"a" * size + b"1", b"a" * size + b"2") for size in (8, 16, 32, 64, 255, 1024, 4096, 65_536)),
    *((b"7", b"07"), (b"7", b"7.0"), (b"7", b" 7"), (b"7", b"7\n"), (b"x", b"X"), (b"x", b"x "), (b"a", b"ab")),
    *((b"\xc3\xa9", b"e\xcc\x81"), (b"\xff", b"\xfe"), (b"0", b""), (b"None", b""), (b"0", b"-0"), (b"1", b"true")),
)
"""Pairs of values that are nearly one."""
NO_INTEGERS = (
    *(b"", b"1.5", b"1e3", b"7.0", b"0x10", b"7 apples", b"7,000", b"1/2", b"--7", b"+-7", b"-", b"+", b"nan", b"inf"),
    *(b"None", b"true", b"null", b"7\0", b"\xff", b"7;8", b"$7", b"7-"),
)
PATTERNS = ("*", "k*", "k?y", "k[a-z]y", "k_y", "k%y", "^k", "key.*", "key/", "key/*", "k", "", "KEY", "key ", "%")
"""None of them is a key, and each may stand for one somewhere."""
LARGE = (65_535, 65_536, 65_537, 128 * 1024)
HUGE = (128 * 1024 + 1, 512 * 1024 + 1, 1024 * 1024, 1024 * 1024 + 1)
MANY, OF_SIZE = 24, 64 * 1024
MISSING, MANY_MISSING = 25, 300
SHORT = 0.3
LATE = 1.0
TRIES = 3
SOON = 5.0
LONG = 60.0


class StoreCalls:
    """What is nearly a key, a value, a number or a time is another one."""

    @clause("RDZV-STORE-3")
    def test_RDZV_STORE_3_compare_set_compares_whole_values(self, under_test: BackendUnderTest) -> None:
        """Expecting what is nearly there changes nothing, and tells what is there."""
        one, other = two_stores(under_test, "calls")
        for pair in NEARLY:
            for there, nearly in (pair, pair[::-1]):
                one.set("key", there)
                gave = other.compare_set("key", nearly, b"new")
                that(
                    gave == there,
                    f"compare_set, expecting {shown(nearly)}, gave {shown(gave)} where {shown(there)} was",
                )
        one.delete_key("key")
        for expected in (b"", there):
            gave = other.compare_set("key", expected, b"new")
            equal(f"compare_set of a key that was deleted, expecting {expected!r}", gave, None)
        equal("check after compare_set of a key that was deleted", one.check(["key"]), False)
        equal("add to a key that was deleted", other.add("key", 1), 1)

    @clause("RDZV-STORE-5")
    def test_RDZV_STORE_5_what_is_nearly_an_integer_is_none(self, under_test: BackendUnderTest) -> None:
        """Decimals, other bases, units, and what begins like a number: a ValueError, and the value stays."""
        one, other = two_stores(under_test, "calls")
        for value in NO_INTEGERS:
            one.set("key", value)
            raises(ValueError, f"add to {value!r}", other.add, "key", 1)
            equal("the value after add was refused", one.get("key", under_test.paced(SOON)), value)

    @clause("RDZV-STORE-1")
    def test_RDZV_STORE_1_a_key_is_no_pattern(self, under_test: BackendUnderTest) -> None:
        """To delete, check or wait for what matches a key, or begins one, is not to do so for that key."""
        one, other = two_stores(under_test, "calls")
        keys = ["key", "key/more", "kay", "keys"]
        one.multi_set(dict.fromkeys(keys, b"1"))
        for pattern in PATTERNS:
            equal(f"check([{pattern!r}]) where there is no such key", other.check([pattern]), False)
            for what, call in (("wait", other.wait), ("multi_get", other.multi_get)):
                raises(RendezvousTimeoutError, f"{what}([{pattern!r}]) where there is no such key", call, [pattern], 0)
            equal(f"delete_key({pattern!r}) where there is no such key", other.delete_key(pattern), False)
        equal("num_keys() after keys were deleted that are not there", one.num_keys(), len(keys))
        one.set("*", b"2")
        equal("delete_key('*') where there is such a key", other.delete_key("*"), True)
        equal("check of the other keys", one.check(keys), True)

    @clause("RDZV-STORE-1")
    def test_RDZV_STORE_1_keys_come_from_any_iterable(self, under_test: BackendUnderTest) -> None:
        """A generator gives its keys once."""
        one, other = two_stores(under_test, "calls")
        one.multi_set({"a": b"1", "b": b"2"})
        limit = under_test.paced(SOON)
        equal("check of a generator", other.check(key for key in ("a", "b")), True)
        equal("check of a generator with a key that is not there", other.check(key for key in ("a", "c")), False)
        equal("multi_get of a generator", other.multi_get((key for key in ("b", "a")), limit), [b"2", b"1"])
        equal("wait of a tuple", other.wait(("a", "b"), limit), None)
        raises(RendezvousTimeoutError, "wait of a generator with a key that is not there", other.wait, iter(["c"]), 0)

    @clause("RDZV-STORE-6")
    def test_RDZV_STORE_6_a_refused_key_is_not_set_and_nor_are_others(self, under_test: BackendUnderTest) -> None:
        """A lone surrogate is a ValueError, in every call; of several keys with such a one none is set."""
        one, other = two_stores(under_test, "calls")
        calls: dict[str, Callable[[str], object]] = {
            "set": lambda key: one.set(key, b"1"),
            "multi_set": lambda key: one.multi_set({"first": b"1", key: b"2", "last": b"3"}),
            "compare_set": lambda key: one.compare_set(key, None, b"1"),
            "add": lambda key: one.add(key, 1),
        }
        for what, call in calls.items():
            raises(ValueError, f"{what} of a key with a lone surrogate", call, "key \ud800")
        equal("num_keys() after keys were refused", other.num_keys(), 0)

    @clause("RDZV-STORE-8")
    def test_RDZV_STORE_8_every_call_keeps_a_value_whole(self, under_test: BackendUnderTest) -> None:
        """128 KiB by compare_set, and by multi_set with many at once; what is read is bytes."""
        one, other = two_stores(under_test, "calls")
        limit = under_test.paced(SOON)
        before: bytes | None = None
        for size in LARGE:
            value = bytes_of("compared", size)
            gave = one.compare_set("key", before, value)
            that(gave == value, f"compare_set to {size} bytes gave something else")
            that(type(gave) is bytes, f"compare_set gave a value as {type(gave).__name__}: it must be bytes")
            before = other.get("key", limit)
            that(
                before == value, f"a value of {size} bytes, set by compare_set, came back with {len(before)}, or others"
            )
            that(type(before) is bytes, f"get gave a value as {type(before).__name__}: it must be bytes")
        items = {f"many-{number}": bytes_of(str(number), OF_SIZE) for number in range(MANY)}
        one.multi_set(items)
        found = other.multi_get([*items], limit)
        wrong = [key for key, value in zip(items, found, strict=True) if value != items[key]]
        equal(f"the keys of {MANY} values of {OF_SIZE} bytes, set at once, that have another value", wrong, [])
        that({*map(type, found)} == {bytes}, "multi_get gave values that are no bytes")

    @clause("RDZV-STORE-14")
    def test_RDZV_STORE_14_a_longer_value_is_kept_whole_or_refused(self, under_test: BackendUnderTest) -> None:
        """By set, multi_set and compare_set: whole, or a ValueError, and what was there stays."""
        one, other = two_stores(under_test, "calls")
        ways: dict[str, Callable[[bytes, bytes], object]] = {
            "set": lambda _, value: one.set("key", value),
            "multi_set": lambda _, value: one.multi_set({"first": value[:1], "key": value, "last": value[:1]}),
            "compare_set": lambda before, value: one.compare_set("key", before, value),
        }
        for number, size in enumerate(HUGE):
            for what, way in ways.items():
                before, value = b"before %d" % number, bytes_of(what, size)
                one.set("key", before)
                try:
                    way(before, value)
                except ValueError:
                    value = before
                except Exception as error:
                    told = (
                        f"{what} of {size} bytes raised {shown_error(error)}: it must keep them, or raise a ValueError"
                    )
                    raise ClauseFailed(told) from error
                found = other.get("key", under_test.paced(SOON))
                that(
                    found == value,
                    f"a value of {size} bytes, set by {what}, was neither kept nor refused: there are {len(found)}",
                )
                beside = [other.check([key]) for key in ("first", "last")]
                expected = [what == "multi_set" and value is not before] * 2
                equal(f"whether the keys beside a value of {size} bytes are there after {what}", beside, expected)
                one.delete_key("first")
                one.delete_key("last")

    @clause("RDZV-STORE-9")
    def test_RDZV_STORE_9_wait_waits_until_all_are_there_at_once(self, under_test: BackendUnderTest) -> None:
        """Of two keys one comes, goes, and the other comes: wait waits on, in either order."""
        one, other = two_stores(under_test, "calls")
        for first, last in (("a", "b"), ("b", "a")):
            waiting = Running[Any](other.wait, ["a", "b"], under_test.paced(LONG))
            one.set(first, b"1")
            that(not waiting.ended(under_test.paced(SHORT) / 3), f"wait for 'a' and 'b' returned when {first!r} came")
            one.delete_key(first)
            one.set(last, b"2")
            that(
                not waiting.ended(under_test.paced(SHORT) / 3),
                f"wait for two keys returned when {last!r} came, though {first!r} was deleted again",
            )
            one.set(first, b"3")
            waiting.result(under_test.paced(SOON), "wait was not woken by its last key")
            for key in (first, last):
                one.delete_key(key)

    @clause("RDZV-STORE-2")
    def test_RDZV_STORE_2_missing_keys_are_named_as_they_are(self, under_test: BackendUnderTest) -> None:
        """Hundreds of them, and those of other scripts: each is in the error, as it is or as repr shows it."""
        one, _ = two_stores(under_test, "calls")
        for keys in ([f"missing-{number:03}" for number in range(MANY_MISSING)], ["ä", "中文", "it's", "two words"]):
            for what, call in (("multi_get", one.multi_get), ("wait", one.wait)):
                said = str(raises(RendezvousTimeoutError, f"{what} of {len(keys)} missing keys", call, keys, 0))
                unnamed = [key for key in keys if key not in said and repr(key) not in said]
                told = f"the error of {what} does not name {len(unnamed)} of {len(keys)} missing keys ({unnamed[:3]})"
                that(not unnamed, f"{told}: {said:.200}")

    @clause("RDZV-STORE-2", "RDZV-STORE-13")
    def test_RDZV_STORE_13_a_wait_in_vain_ends_when_its_time_is_over(self, under_test: BackendUnderTest) -> None:
        """Not before, not a time for each key, and with the names of all that are missing then, and of no other."""
        one, other = two_stores(under_test, "calls")
        missing = [f"missing-{number:03}" for number in range(MISSING)]
        calls: dict[str, Callable[[float], object]] = {
            "get": lambda timeout: other.get(missing[-1], timeout),
            "multi_get": lambda timeout: other.multi_get(["there", "comes", *missing], timeout),
            "wait": lambda timeout: other.wait([*missing, "comes", "there"], timeout),
        }
        one.set("there", b"1")
        late: dict[str, list[float]] = {what: [] for what in calls}
        for _ in range(TRIES):
            one.delete_key("comes")
            began = time.monotonic()
            running = {what: Running(_timed, call, SHORT) for what, call in calls.items()}
            one.set("comes", b"1")
            came = time.monotonic() < began + SHORT / 2  # else it may have come when their time was over
            for what, each in running.items():
                limit = under_test.paced(LONG)
                took, said = each.result(limit, f"{what} with a timeout of {SHORT} s has not ended after {limit:.0f} s")
                that(took >= 0.95 * SHORT, f"{what} with a timeout of {SHORT} s raised after {took:.2f} s")
                late[what].append(took - SHORT)
                _names(what, said, missing[-1:] if what == "get" else missing)
                _does_not_name(what, said, "there", *(["comes"] if came else []))
            if all(min(tries) <= under_test.paced(LATE) * slowness() for tries in late.values()):
                return
        for what, tries in late.items():
            that(
                min(tries) <= under_test.paced(LATE) * slowness(),
                f"{what} with a timeout of {SHORT} s raised {min(tries):.1f} s late or more, {TRIES} times: it must "
                "be over then, however many keys there are",
            )


def _timed(call: Callable[[float], object], timeout: float) -> tuple[float, str]:
    began = time.monotonic()
    error = raises(RendezvousTimeoutError, f"a call for a missing key, with {timeout} s,", call, timeout)
    return time.monotonic() - began, str(error)


def _names(what: str, said: str, missing: list[str]) -> None:
    unnamed = [key for key in missing if key not in said]
    that(not unnamed, f"the error of {what} does not name {len(unnamed)} of {len(missing)} missing keys: {said:.200}")


def _does_not_name(what: str, said: str, *keys: str) -> None:
    for key in keys:
        told = f"the error of {what} names {key!r}, which was there when its time was over: {said:.200}"
        that(f"'{key}'" not in said, told)
