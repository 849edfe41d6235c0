"""RDZV-DURABLE-1 and 3: not only the last write, not only the first kill, and what the stores of rounds hold."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from rdzv_conformance.contract.labels import clause, early
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, equal, shown, that
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.threads import Running
from rdzv_conformance.suite.durable import needs_durable, needs_restart
from rdzv_conformance.suite.outages import await_return
from rdzv_conformance.suite.processes import Worker, once_ready
from rdzv_conformance.suite.store_writer import bytes_of, value_of
from rdzv_core import RendezvousConnectionError, StateSnapshot, Store, SupportsDelete, SupportsStore

REGISTERS = 24
DELETED = 5
KEYS = 60
LARGE = 100_000
SETTERS = 2
ENOUGH = 20
KILLS = 3
SOON = 5.0
LONG = 60.0

Model = dict[str, bytes]


class DurableKept:
    """All that was acknowledged is there: of every register and store, after every kill."""

    @early
    @clause("RDZV-DURABLE-1")
    def test_RDZV_DURABLE_1_what_lies_back_is_kept_as_well(self, under_test: BackendUnderTest) -> None:
        """Many registers, written once or often, large or deleted: all are as they were, after the third kill too."""
        restart = needs_restart(under_test)
        registers = [_client(under_test, f"{under_test.run_id}-{number}") for number in range(REGISTERS)]
        expected: list[StateSnapshot | None] = [None for _ in registers]
        for number, register in enumerate(registers):
            _write(register, expected, number, b"first of %d" % number)
        _write(registers[0], expected, 0, bytes_of("large", LARGE))
        for number in range(DELETED if isinstance(registers[0].backend, SupportsDelete) else 0):
            before = expected[-1 - number]
            registers[-1 - number].delete_state(before.token if before and number % 2 else None)
            expected[-1 - number] = None
        for turn in range(3):
            restart()
            await_return(under_test, registers[0])
            for number, register in enumerate(registers):
                await_return(under_test, register)
                found = register.get_state()
                that(
                    found == expected[number],
                    f"after kill {turn + 1} register {number} of {REGISTERS} holds {shown(found)}: before it held "
                    f"{shown(expected[number])}",
                )
            if turn == 0:  # the third kill comes without a write since the second
                for number in range(0, REGISTERS, 2):
                    _write(registers[number], expected, number, b"second of %d" % number)

    @early
    @clause("RDZV-DURABLE-3")
    def test_RDZV_DURABLE_3_a_killed_store_keeps_what_rounds_keep(self, under_test: BackendUnderTest) -> None:
        """Values of several runs, set, compared, added, deleted, by the last call too: after each kill."""
        restart = needs_restart(under_test)
        runs = (under_test.run_id, f"{under_test.run_id}/ü\n", f"{under_test.run_id}-last")
        registers = [_client(under_test, run_id) for run_id in runs]
        models: dict[tuple[int, str], Model] = {
            each: {} for each in ((0, "round-1"), (0, "round-2"), (1, "p"), (2, "p"))
        }
        stores = {
            (run, prefix): under_test.needs(SupportsStore, registers[run]).store(prefix) for run, prefix in models
        }
        for (run, prefix), model in models.items():
            _fill(stores[run, prefix], model, prefix)
        for turn, end in enumerate((_compared_last, _set_last, _added_last)):
            for each, model in models.items():
                end(stores[each], model)
            restart()
            for register in registers:
                await_return(under_test, register)
            for (run, prefix), model in models.items():
                where = f"store {prefix!r} of run {runs[run]!r} after kill {turn + 1}"
                _compare(under_test, stores[run, prefix], model, where)
            if turn == 0:
                for each, model in models.items():
                    _change(stores[each], model)

    @clause("RDZV-DURABLE-3")
    def test_RDZV_DURABLE_3_the_last_call_is_kept_whatever_it_did(self, under_test: BackendUnderTest) -> None:
        """It has deleted a key, the only one too, or replaced a value, and then the store is killed."""
        restart = needs_restart(under_test)
        register = _client(under_test, under_test.run_id)
        store = under_test.needs(SupportsStore, register).store("last")
        # Of each call what it leaves: none makes a key, and after the last one there is none.
        calls: dict[str, tuple[Callable[[], object], Model]] = {
            "set": (lambda: store.set("key", b"1"), {"key": b"1", "other": b"0"}),
            "add": (lambda: store.add("key", 1), {"key": b"2", "other": b"0"}),
            "compare_set": (lambda: store.compare_set("key", b"2", b"3"), {"key": b"3", "other": b"0"}),
            "delete_key": (lambda: store.delete_key("other"), {"key": b"3"}),
            "delete_key of the only key": (lambda: store.delete_key("key"), {}),
        }
        store.multi_set({"key": b"0", "other": b"0"})
        for what, (call, model) in calls.items():
            call()
            restart()
            await_return(under_test, register)
            _compare(under_test, store, model, f"store that was killed after {what}")

    @clause("RDZV-DURABLE-3")
    def test_RDZV_DURABLE_3_a_store_killed_amid_sets_loses_none(self, under_test: BackendUnderTest) -> None:
        """Threads set keys while the store is killed: each key whose set had returned is there."""
        restart, limit = needs_restart(under_test), under_test.paced(LONG)
        register = _client(under_test, under_test.run_id)
        store = under_test.needs(SupportsStore, register).store("amid")
        enough, over = threading.Semaphore(0), threading.Event()
        setters = [Running(_set_on, store, f"setter-{number}", enough, over) for number in range(SETTERS)]
        for _ in range(SETTERS * ENOUGH):
            that(enough.acquire(timeout=limit), f"{SETTERS} threads have not set {ENOUGH} keys in {limit:.0f} s")
        restart()
        over.set()
        late = f"a set has not ended {limit:.0f} s after its store was killed"
        told = [key for each in setters for key in each.result(limit, late)]
        await_return(under_test, register)
        _all_there(under_test, store, told, "the store was killed")

    @early
    @clause("RDZV-DURABLE-3")
    def test_RDZV_DURABLE_3_a_killed_writer_loses_no_key(self, under_test: BackendUnderTest) -> None:
        """Processes that set keys are killed: each key whose set had returned is there, and whole."""
        needs_durable(under_test)
        under_test.needs(SupportsStore, under_test.open())
        under_test.needs_other_processes()
        store = under_test.needs(SupportsStore, under_test.open()).store("killed")
        workers = [Worker(under_test, "set_on", prefix="killed", name=f"writer-{number}") for number in range(KILLS)]
        with once_ready(workers):
            for worker in workers:
                worker.go()
                told = [worker.expect("set")["key"] for _ in range(under_test.random.randint(1, ENOUGH))]
                told += [answer["key"] for answer in worker.kill() if answer["kind"] == "set"]
                _all_there(under_test, store, told, "a process that set them was killed")
                store.set("others go on", b"1")


def _client(under_test: BackendUnderTest, run_id: str) -> Register:
    return under_test.open(run_id, **under_test.target.as_client(), **under_test.target.impatient())


def _write(register: Register, expected: list[StateSnapshot | None], number: int, state: bytes) -> None:
    before = expected[number]
    expected[number] = StateSnapshot(state, register.write(state, before and before.token))


def _fill(store: Store, model: Model, prefix: str) -> None:
    for number in range(KEYS // 2):
        key = f"key-{number}"
        model[key] = b"%d of %s" % (number, prefix.encode())
        store.set(key, model[key])
    together = {f"together-{number}": b"%d" % number for number in range(KEYS // 2)}
    store.multi_set(together)
    model.update(together)
    model["large"] = bytes_of(prefix, LARGE)
    store.set("large", model["large"])
    model["empty"] = b""
    store.set("empty", b"")
    store.compare_set("compared", None, b"old")
    store.compare_set("compared", b"old", b"new")
    model["compared"] = b"new"
    for amount in (5, -2, 40):
        store.add("added", amount)
    model["added"] = b"43"
    for key in ("key-0", "together-0"):
        store.delete_key(key)
        del model[key]


def _change(store: Store, model: Model) -> None:
    store.set("key-1", b"changed")
    store.delete_key("key-2")
    store.set("key-0", b"again")
    store.add("added", 1)
    model |= {"key-1": b"changed", "key-0": b"again", "added": b"44"}
    del model["key-2"]


def _compared_last(store: Store, model: Model) -> None:
    store.compare_set("compared last", None, b"1")
    model["compared last"] = b"1"


def _set_last(store: Store, model: Model) -> None:
    store.delete_key("compared last")
    del model["compared last"]
    last = {"set last": b"2", "key-1": b"set last"}
    store.multi_set(last)
    model.update(last)


def _added_last(store: Store, model: Model) -> None:
    store.delete_key("set last")
    del model["set last"]
    model["added last"] = b"%d" % store.add("added last", 7)


def _compare(under_test: BackendUnderTest, store: Store, model: Model, where: str) -> None:
    lost = [key for key in sorted(model) if not store.check([key])]
    that(not lost, f"of {len(model)} keys {len(lost)} that were acknowledged are lost: {shown(lost)}, in {where}")
    keys = [*model]
    found = dict(zip(keys, store.multi_get(keys, under_test.paced(SOON)), strict=True))
    wrong = [key for key in keys if found[key] != model[key]]
    told = wrong and f"{wrong[0]!r} is {shown(found[wrong[0]])} and was {shown(model[wrong[0]])}"
    that(not wrong, f"of {len(model)} keys {len(wrong)} have another value than was acknowledged: {told}, in {where}")
    equal(f"num_keys() (what was deleted does not come back) of the {where}", store.num_keys(), len(model))


def _set_on(store: Store, name: str, enough: threading.Semaphore, over: threading.Event) -> list[str]:
    """Set keys until the store is gone, or, if that goes unnoticed, until it is there again."""
    told: list[str] = []
    while not over.is_set():
        key = f"{name}-{len(told)}"
        try:
            store.set(key, value_of(key))
        except RendezvousConnectionError:
            break
        told.append(key)
        enough.release()
    return told


def _all_there(under_test: BackendUnderTest, store: Store, keys: Iterable[str], after: str) -> None:
    wanted = [*keys]
    lost = [key for key in wanted if not _patiently(under_test, lambda key=key: store.check([key]))]  # type: ignore[misc]
    that(not lost, f"of {len(wanted)} keys whose set had returned when {after} these are lost: {shown(lost)}")
    for key in wanted:
        if store.get(key, under_test.paced(SOON)) != value_of(key):
            raise ClauseFailed(f"the value of {key!r} is another one after {after}")


def _patiently(under_test: BackendUnderTest, call: Callable[[], Any]) -> Any:
    """Call; again while the store is not there yet."""
    ends = time.monotonic() + under_test.paced(SOON)
    while True:
        try:
            return call()
        except RendezvousConnectionError:
            if time.monotonic() > ends:
                raise
            threading.Event().wait(0.05)  # between two attempts; nobody tells when it is there
