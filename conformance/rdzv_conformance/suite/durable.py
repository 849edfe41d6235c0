"""RDZV-DURABLE: what was acknowledged outlives the processes."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import threading
from collections.abc import Callable

from rdzv_conformance.contract.labels import clause, early
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Unsupported, Untested, equal, shown, that
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.threads import Running
from rdzv_conformance.harness.writing import Writings, write_once
from rdzv_conformance.suite.faults import kill_writers
from rdzv_conformance.suite.outages import await_return
from rdzv_core import RendezvousConnectionError, StateSnapshot, SupportsDelete

WRITERS = 3
ENOUGH = 10
SIZE = 4 * 1024
LARGE = 128 * 1024
KILLS = 6
LONG = 60.0


class Durable:
    """Killed at any moment, a store or a writer takes nothing along that was acknowledged."""

    @clause("RDZV-DURABLE-1")
    def test_RDZV_DURABLE_1_a_killed_store_loses_nothing_acknowledged(self, under_test: BackendUnderTest) -> None:
        """The store is killed while several write: every write that was acknowledged is there afterwards."""
        restart, limit = needs_restart(under_test), under_test.paced(LONG)
        registers = [_client(under_test, f"{under_test.run_id}-{number}") for number in range(WRITERS)]
        told = [Writings() for _ in registers]
        enough, started_again = threading.Semaphore(0), threading.Event()
        pairs = zip(registers, told, strict=True)
        writers = [Running(_write, register, mine, enough, started_again) for register, mine in pairs]
        for _ in range(WRITERS * ENOUGH):
            that(enough.acquire(timeout=limit), f"{WRITERS} writers have not written {ENOUGH} times in {limit:.0f} s")
        restart()
        started_again.set()
        for writer in writers:
            writer.result(limit, f"a write has not ended {limit:.0f} s after its store was killed")
        for register, mine in zip(registers, told, strict=True):
            await_return(under_test, register)
            mine.check(register, SIZE, "after the store was killed and started again")

    @early
    @clause("RDZV-DURABLE-1")
    def test_RDZV_DURABLE_1_a_killed_writer_loses_nothing_acknowledged(self, under_test: BackendUnderTest) -> None:
        """Processes that write are killed: every write that was acknowledged is there, and each is whole."""
        needs_durable(under_test)
        under_test.needs_other_processes()
        kill_writers(under_test, KILLS, LARGE)

    @clause("RDZV-DURABLE-2")
    def test_RDZV_DURABLE_2_no_token_is_used_again_after_a_restart(self, under_test: BackendUnderTest) -> None:
        """The store is killed and started again: old tokens are refused, and new writes have new ones."""
        restart = needs_restart(under_test)
        restart()  # what counts from the start of the store counts from here: twice from the same number
        register, deleted = (
            _client(under_test, under_test.run_id),
            _client(under_test, f"{under_test.run_id}-deleted"),
        )
        before = [register.write(b"same")]
        for _ in range(ENOUGH):
            before.append(register.write(b"same", before[-1]))
        before.append(deleted.write(b"same"))
        if isinstance(deleted.backend, SupportsDelete):
            deleted.delete_state()
        restart()
        await_return(under_test, register)
        await_return(under_test, deleted)
        found = register.get_state()
        equal("the register after the store was killed", found, StateSnapshot(b"same", before[-2]))
        for stale in before[:-2]:
            register.refuses(b"new", stale, StateSnapshot(b"same", before[-2]))
        after = [register.write(b"same", before[-2])]
        for _ in range(ENOUGH):
            after.append(register.write(b"same", after[-1]))
        gone = deleted.get_state()
        after.append(deleted.write(b"same", gone and gone.token))
        again = set(before) & set(after)
        that(not again, f"a write after a restart has a token of one before it: {shown(sorted(map(str, again)))}")

    @early
    @clause("RDZV-DURABLE-2")
    def test_RDZV_DURABLE_2_no_token_is_used_again_after_a_writer_was_killed(
        self, under_test: BackendUnderTest
    ) -> None:
        """Writers are killed: no two writes, before and after, have one token."""
        needs_durable(under_test)
        under_test.needs_other_processes()
        kill_writers(under_test, 2, SIZE)


def _client(under_test: BackendUnderTest, run_id: str) -> Register:
    return under_test.open(run_id, **under_test.target.as_client(), **under_test.target.impatient())


def needs_durable(under_test: BackendUnderTest) -> None:
    """Go on only with a backend that claims it."""
    if not under_test.open().backend.durable:
        raise Unsupported("the backend does not claim it (durable = False)")


def needs_restart(under_test: BackendUnderTest) -> Callable[[], None]:
    """Go on only with a durable store that can be restarted; gives how."""
    needs_durable(under_test)
    under_test.needs_connection_or(under_test.helpers.restart)
    if under_test.helpers.restart is None:
        raise Untested("needs the helper restart(), which kills the store and starts it again with its data")
    return under_test.helpers.restart


def _write(register: Register, told: Writings, enough: threading.Semaphore, started_again: threading.Event) -> None:
    """Write until the store is gone, or, if that goes unnoticed, until it is there again."""
    while not started_again.is_set():
        try:
            write_once(register, SIZE, told)
        except RendezvousConnectionError:
            return
        enough.release()
