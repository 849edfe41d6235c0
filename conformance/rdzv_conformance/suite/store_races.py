"""RDZV-STORE-3 and 12: whatever changes a key at the same time, and what another process reads afterwards."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, equal, raises, shown, that
from rdzv_conformance.harness.lines import Say
from rdzv_conformance.harness.threads import race
from rdzv_conformance.suite.colleague import Colleague
from rdzv_conformance.suite.pairs import two_stores
from rdzv_conformance.suite.processes import Worker, once_ready
from rdzv_core import RendezvousTimeoutError, Store, SupportsStore

MOST, LEAST, SECONDS = 300, 12, 0.15
"""Turns of a race, by how long they may take."""
SOON = 5.0
MILLION = 10**6
WHOLE = 128 * 1024
TO_DELETE = 12
GONE = 0.005
"""Seconds that a wait for a key goes on that is there now and then."""
PAUSES = (0.0, 0.0, 0.02, 0.1, 0.25)
PROCESSES = 2


class StoreRaces:
    """No call takes back, or hides, what another one does at the same time."""

    @clause("RDZV-STORE-3")
    def test_RDZV_STORE_3_add_and_compare_set_lose_nothing_of_each_other(self, under_test: BackendUnderTest) -> None:
        """One adds to a number, others do so by compare_set: what each was told that it did is in the sum."""
        stores = [*two_stores(under_test, "races"), two_stores(under_test, "races")[0]]

        def racer(number: int) -> int:
            add = _add if number == 0 else _compare_and_add
            return sum(add(stores[number], number) for _ in _turns())

        total = sum(race(len(stores), racer, under_test.target.pace))
        found = int(stores[0].get("number", under_test.paced(SOON)))
        equal("the sum of what add and compare_set have added at the same time", found, total)

    @clause("RDZV-STORE-3")
    def test_RDZV_STORE_3_keys_that_are_set_at_once_are_all_there(self, under_test: BackendUnderTest) -> None:
        """Threads of several instances set, add, compare, and set several, each its own keys: none is lost."""
        stores = [*two_stores(under_test, "races"), two_stores(under_test, "races")[0]]

        def racer(number: int) -> dict[str, bytes]:
            told: dict[str, bytes] = {}
            for turn in _turns():
                told |= _set_own(stores[number], number, turn)
            return told

        there = {key: value for told in race(len(stores), racer, under_test.target.pace) for key, value in told.items()}
        keys = [*there]
        lost = [key for key in keys if not stores[0].check([key])]
        equal("the keys that were set at the same time as others and are lost", lost, [])
        equal("the values of keys that were set at once", stores[1].multi_get(keys, SOON), [there[key] for key in keys])
        equal("num_keys() of keys that were set at once", stores[2].num_keys(), len(there))

    @clause("RDZV-STORE-3")
    def test_RDZV_STORE_3_of_those_who_delete_one_is_told_so(self, under_test: BackendUnderTest) -> None:
        """Threads delete one key: it was there for one of them."""
        stores = [*two_stores(under_test, "races"), two_stores(under_test, "races")[0]]
        turns = [*range(LEAST * 4)]
        stores[0].multi_set({f"deleted-{turn}": b"1" for turn in turns})
        told = race(
            len(stores),
            lambda number: [stores[number].delete_key(f"deleted-{turn}") for turn in turns],
            under_test.target.pace,
        )
        wrong = [answers for answers in zip(*told, strict=True) if answers.count(True) != 1]
        that(
            not wrong,
            f"delete_key of one key, by {len(stores)} threads at once, gave {wrong and wrong[0]} ({len(wrong)} of "
            f"{len(turns)} times something else than one True)",
        )

    @clause("RDZV-STORE-3")
    def test_RDZV_STORE_3_a_key_that_comes_and_goes_is_there_or_is_not(self, under_test: BackendUnderTest) -> None:
        """While one sets a key and deletes it, others find its value or none; what is set again stays."""
        stores = [*two_stores(under_test, "races"), two_stores(under_test, "races")[0]]
        stores[0].set("stays", b"1")
        limit = under_test.paced(GONE)

        def racer(number: int) -> None:
            store = stores[number]
            looks = _looks_at_one_that_goes(store, limit)
            for _ in _turns():
                if number == 0:
                    store.set("goes", b"7")
                    store.set("stays", b"1")
                    store.delete_key("goes")
                else:
                    for what, look, allowed in looks:
                        _gives(what, look, allowed)

        race(len(stores), racer, under_test.target.pace)

    @clause("RDZV-STORE-3")
    def test_RDZV_STORE_3_compare_set_and_add_write_over_nothing(self, under_test: BackendUnderTest) -> None:
        """One sets two keys, and deletes one of them, while others compare and add: what it did last is not undone."""
        stores = [*two_stores(under_test, "races"), two_stores(under_test, "races")[0]]
        limit = under_test.paced(SOON)

        def racer(number: int) -> None:
            for turn in _turns():
                if number == 0:
                    _sets_and_sees(stores[0], turn + 1, limit)
                else:
                    found: Any = stores[number].compare_set("set", None, b"created")
                    stores[number].compare_set("set", found, b"after " + found.removeprefix(b"after "))
                    _compares_if_there(stores[number], "deleted")
                    stores[number].add("number", 1)

        race(len(stores), racer, under_test.target.pace)

    @clause("RDZV-STORE-8")
    def test_RDZV_STORE_8_nobody_sees_parts_of_two_values(self, under_test: BackendUnderTest) -> None:
        """While a large value is set, set anew and deleted, each get finds one of them, whole."""
        setter, getter = two_stores(under_test, "races")
        values = [bytes([65 + number]) * WHOLE for number in range(2)]
        limit = under_test.paced(GONE)

        def racer(number: int) -> None:
            for turn in _turns():
                if number == 0:
                    for value in values:
                        setter.set("key", value)
                    if turn % 4 == 3:
                        setter.delete_key("key")
                    continue
                try:
                    found = getter.get("key", limit)
                except RendezvousTimeoutError:
                    continue
                parts = f"of {len(found)} bytes, {found.count(b'A')} of one value and {found.count(b'B')} of the other"
                that(found in values, f"get of a key that another one sets gave one {parts}: a value is read whole")

        race(2, racer, under_test.target.pace)

    @clause("RDZV-STORE-12")
    def test_RDZV_STORE_12_processes_lose_nothing_of_each_other(self, under_test: BackendUnderTest) -> None:
        """Two other processes and this one add to one number by add and by compare_set, and each sets its own keys."""
        store = two_stores(under_test, "races")[0]
        under_test.needs_other_processes()
        store.multi_set({f"deleted-{number}": b"1" for number in range(TO_DELETE)})
        workers = [Worker(under_test, "change_store", number=number) for number in range(1, PROCESSES + 1)]
        with once_ready(workers):
            for worker in workers:
                worker.go()
            total, there, deleted = _changed(store, 0)
            for worker in workers:
                told = worker.expect("done")
                total += told["total"]
                deleted += told["deleted"]
                there |= {key: value.encode() for key, value in told["there"].items()}
        limit = under_test.paced(SOON)
        found = int(store.get("number", limit))
        equal("the sum of what several processes have added at the same time", found, total)
        lost = [key for key in there if not store.check([key])]
        equal("the keys that several processes set at the same time and that are lost", lost, [])
        by_all = f"how often delete_key gave True for {TO_DELETE} keys that {PROCESSES + 1} processes deleted"
        equal(by_all, deleted, TO_DELETE)
        equal("the values of those keys", store.multi_get([*there], limit), [*there.values()])

    @clause("RDZV-STORE-12")
    def test_RDZV_STORE_12_what_a_process_has_set_another_one_reads(self, under_test: BackendUnderTest) -> None:
        """It has read, or set, the key just before or a while ago: every call sees what the other process did last."""
        one, other = two_stores(under_test, "changes")
        under_test.needs_other_processes()
        with Colleague(under_test) as colleague:
            run_id, limit = under_test.run_id, under_test.paced(SOON)
            for turn, pause in enumerate(PAUSES):
                for store in (one, other):
                    store.set("key", b"%d" % turn)
                    store.check(["key", "new"])
                    store.num_keys()
                one.delete_key("new")
                threading.Event().wait(pause)  # what is old by then is not to be given: there is nothing to await
                colleague.change(run_id, "set", "key")
                colleague.change(run_id, "add", "new")
                for store in (other, one):
                    equal("get of what another process has set", store.get("key", limit), b"1")
                    equal("multi_get of what another process has set", store.multi_get(["new"], limit), [b"1"])
                    equal("check of what another process has set", store.check(["key", "new"]), True)
                    equal("num_keys() after another process has set a key", store.num_keys(), 2)
                    equal("compare_set of it, expecting none,", store.compare_set("new", None, b"mine"), b"1")
                    equal("the sum of what another process has set and 0", store.add("key", 0), 1)
                for store in (other, one):
                    equal("check after this process has changed a key", store.check(["key", "new"]), True)
                colleague.change(run_id, "delete_key", "new")
                for store in (other, one):
                    equal("check of what another process has deleted", store.check(["key", "new"]), False)
                    equal("num_keys() after another process has deleted a key", store.num_keys(), 1)
                    raises(RendezvousTimeoutError, "get of what another process has deleted", store.get, "new", 0)
                    equal("delete_key of what another process has deleted", store.delete_key("new"), False)


def _sets_and_sees(store: Store, turn: int, limit: float) -> None:
    mine = b"set in turn %d" % turn
    store.set("set", mine)
    found = store.get("set", limit)
    that(
        found in (mine, b"after " + mine),
        f"after set to {mine!r} get gave {found!r}: a compare_set that had found an older value wrote over it",
    )
    store.set("number", b"%d" % (turn * MILLION))
    number = int(store.get("number", limit))
    that(
        turn * MILLION <= number < (turn + 1) * MILLION,
        f"after set to {turn * MILLION} get gave {number}: an add that had found an older number wrote over it",
    )
    store.set("deleted", mine)
    store.delete_key("deleted")
    told = "check of a key that was deleted, and that others compare and set only where it is there,"
    equal(told, store.check(["deleted"]), False)


def _compares_if_there(store: Store, key: str) -> None:
    try:
        found = store.get(key, 0)
    except RendezvousTimeoutError:
        return
    store.compare_set(key, found, b"after " + found)


def _looks_at_one_that_goes(store: Store, limit: float) -> list[tuple[str, Callable[[], object], tuple[object, ...]]]:
    goes, stays, late = "a key that another one sets and deletes", "a key that another one sets anew", "late"
    return [
        (f"check of {stays}", lambda: store.check(["stays"]), (True,)),
        (f"check of {goes}", lambda: store.check(["stays", "goes"]), (True, False)),
        (f"num_keys() with {stays}", store.num_keys, (1, 2)),
        (f"get of {stays}", lambda: store.get("stays", 0), (b"1",)),
        (f"get of {goes}", lambda: store.get("goes", limit), (b"7", late)),
        (f"multi_get of {goes}", lambda: store.multi_get(["stays", "goes"], limit), ([b"1", b"7"], late)),
        (f"wait for {goes}", lambda: store.wait(["goes", "stays"], limit), (None, late)),
        (f"compare_set of {goes}", lambda: store.compare_set("goes", b"other", b"third"), (b"7", None)),
    ]


def _gives(what: str, look: Callable[[], object], allowed: tuple[object, ...]) -> None:
    try:
        found = look()
    except RendezvousTimeoutError:
        found = "late"
    except Exception as error:
        raise ClauseFailed(f"{what} raised {error!r}") from error
    that(found in allowed, f"{what} gave {shown(found)}")


def change_store(under_test: BackendUnderTest, say: Say, number: int) -> None:
    """Be one of the processes that change one store, and say what this one was told that it did."""
    store = cast("SupportsStore", under_test.open().backend).store("races")
    store.num_keys()
    say("ready")
    sys.stdin.readline()
    total, there, deleted = _changed(store, number)
    say("done", total=total, deleted=deleted, there={key: value.decode() for key, value in there.items()})


def _changed(store: Store, number: int) -> tuple[int, dict[str, bytes], int]:
    total, there = 0, dict[str, bytes]()
    deleted = sum(store.delete_key(f"deleted-{number}") for number in range(TO_DELETE))
    for turn in _turns(2 * SECONDS):
        total += (_add, _compare_and_add)[turn % 2](store, number)
        there |= _set_own(store, number, turn)
    return total, there, deleted


def _turns(seconds: float = SECONDS) -> Iterator[int]:
    ends = time.monotonic() + seconds
    for turn in range(MOST):
        if turn >= LEAST and time.monotonic() > ends:
            return
        yield turn


def _add(store: Store, number: int) -> int:
    store.add("number", 10 ** (3 * number))
    return int(10 ** (3 * number))


def _compare_and_add(store: Store, number: int) -> int:
    """Try once; return what was added.

    Each adds a number of its own, of which so many others are no sum: who has lost is told a value that is not its own.
    """
    found: Any = store.compare_set("number", None, b"0")
    amount = int(10 ** (3 * number))
    try:
        wanted = b"%d" % (int(found) + amount)
    except ValueError:
        raise ClauseFailed(f"a number to which several add is {found!r}") from None
    return amount if store.compare_set("number", found, wanted) == wanted else 0


def _set_own(store: Store, number: int, turn: int) -> dict[str, bytes]:
    key, value = f"of {number}: {turn}", b"%d of %d" % (turn, number)
    if turn % 4 == 0:
        store.set(key, value)
    elif turn % 4 == 1:
        store.multi_set({key: value, f"{key} too": value})
        return {key: value, f"{key} too": value}
    elif turn % 4 == 2:
        store.compare_set(key, None, value)
    else:
        store.delete_key(key)
        value = b"%d" % store.add(key, turn)
    return {key: value}
