"""The driver: which thread takes in what, and that only one does at a time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from rdzv_core import MemberLease, clock
from rdzv_core._handler import operations, workers
from rdzv_core._handler.driver import Driver

QUICK, SLOW = operations.ReadHead(0.0), operations.ReadMembers(0.0)
RENEWAL = operations.Update(0.0, MemberLease(60.0, "i"), b"")
PATIENCE = 10.0


class Machine:
    """Stands for the state machine: notes what it is told, and on which thread."""

    def __init__(self) -> None:
        self.wake_at = float("inf")
        self.lease_keeper = SimpleNamespace(lease=None)
        self.told: queue.SimpleQueue[tuple[str, threading.Thread]] = queue.SimpleQueue()
        self.during: Callable[[], None] = lambda: None

    def takes_in_quickly(self, operation: operations.Operation) -> bool:
        return operation is not SLOW

    def done(self, operation: operations.Operation, result: Any, now: float) -> None:
        self._note(f"done {result}")

    def failed(self, operation: operations.Operation, error: Exception, now: float) -> None:
        self._note(f"failed {error}")

    def tick(self, now: float) -> None:
        self.wake_at = float("inf")
        self._note("tick")

    def take_operations(self) -> list[operations.Operation]:
        return []

    def take_outcomes(self) -> list[operations.Outcome]:
        return []

    def change(self) -> None:
        return None

    def _note(self, what: str) -> None:
        self.during()
        self.told.put((what, threading.current_thread()))

    def stay(self) -> tuple[threading.Event, threading.Event]:
        """Make the next event last: return what is set when it has begun, and what ends it."""
        inside, go_on = threading.Event(), threading.Event()

        def wait() -> None:
            self.during = lambda: None
            inside.set()
            assert go_on.wait(PATIENCE)

        self.during = wait
        return inside, go_on

    def heard(self) -> tuple[str, threading.Thread]:
        return self.told.get(timeout=PATIENCE)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def driver(machine: Machine) -> Iterator[Driver]:
    adapter = SimpleNamespace(perform=None, begin=lambda operation, done: False)  # it submits nothing
    driver = Driver(machine, adapter, "driver")  # type: ignore[arg-type]
    yield driver
    driver.close()


def elsewhere(call: Callable[..., Any], *arguments: Any) -> threading.Thread:
    """Call it on another thread, and return that."""
    thread = threading.Thread(target=call, args=arguments)
    thread.start()
    return thread


def test_an_answer_is_taken_in_on_the_thread_that_brings_it(machine: Machine, driver: Driver) -> None:
    """The thread that reads an answer, or an error, hands it to the machine without waking another."""
    bringer = elsewhere(driver.ended, QUICK, "it", None)
    assert machine.heard() == ("done it", bringer)
    bringer = elsewhere(driver.ended, QUICK, None, ValueError("no"))
    assert machine.heard() == ("failed no", bringer)


def test_what_may_take_long_is_taken_in_on_the_drivers_own_thread(machine: Machine, driver: Driver) -> None:
    """A store's reader is not held up by a leader at work, nor by the ranks that a plugin orders."""
    bringer = elsewhere(driver.ended, SLOW, "it", None)
    bringer.join()
    what, thread = machine.heard()
    assert (what, thread.name) == ("done it", "rdzv driver")


def test_where_somebody_listens_to_the_lease_renewals_are_taken_in_on_the_drivers_own_thread(
    machine: Machine, driver: Driver
) -> None:
    """What a listener does holds up its own handler at most, never the store's reader and with it all others."""
    bringer = elsewhere(driver.ended, RENEWAL, True, None)
    assert machine.heard() == ("done True", bringer)
    driver.on_lease(lambda _: None)
    elsewhere(driver.ended, RENEWAL, True, None).join()
    assert machine.heard()[1].name == "rdzv driver"


def test_no_answer_overtakes_one_that_waits(machine: Machine, driver: Driver) -> None:
    """While the driver's thread is behind, what arrives stands in line."""
    inside, go_on = machine.stay()
    elsewhere(driver.ended, SLOW, "first", None)
    assert inside.wait(PATIENCE)
    elsewhere(driver.ended, SLOW, "second", None).join()
    elsewhere(driver.ended, QUICK, "third", None).join()
    go_on.set()
    assert [machine.heard()[0] for _ in range(3)] == ["done first", "done second", "done third"]


def test_what_the_machine_raises_does_not_reach_who_brings_the_answer(machine: Machine, driver: Driver) -> None:
    """A store's reader reads for others too: it goes on, and so does this driver."""

    def fail() -> None:
        machine.during = lambda: None
        raise RuntimeError("on purpose")

    machine.during = fail
    raised: list[BaseException] = []

    def bring() -> None:
        try:
            driver.ended(QUICK, "it", None)
        except BaseException as error:
            raised.append(error)
            raise

    elsewhere(bring).join()
    assert raised == []
    bringer = elsewhere(driver.ended, QUICK, "next", None)
    assert machine.heard() == ("done next", bringer)


def test_an_operation_for_which_the_system_has_no_thread_has_failed(
    machine: Machine, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an error like the store's own, which the machine answers by trying again later; closing still works."""
    wanted: list[operations.Operation] = [QUICK]
    machine.take_operations = lambda: [wanted.pop()] if wanted else []  # type: ignore[method-assign]

    class Refused(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(workers, "threading", SimpleNamespace(Thread=Refused))
    elsewhere(driver.ended, QUICK, "it", None)
    heard = [machine.heard()[0] for _ in range(2)]
    assert heard == ["done it", "failed can't start new thread"]
    driver.close()
    driver.join_threads(PATIENCE)


def test_the_main_thread_takes_in_nothing(machine: Machine, driver: Driver) -> None:
    """A signal's handler that raises, as that of Ctrl-C does, cannot break a step of the machine off half way."""
    assert threading.current_thread() is threading.main_thread()
    driver.ended(QUICK, "it", None)
    what, thread = machine.heard()
    assert (what, thread.name) == ("done it", "rdzv driver")


def test_only_one_thread_at_a_time_is_in_the_machine(machine: Machine, driver: Driver) -> None:
    """What arrives while another event is taken in waits for the driver's thread; who brings it does not wait."""
    inside, go_on = machine.stay()
    first = elsewhere(driver.ended, QUICK, "first", None)
    assert inside.wait(PATIENCE)
    second = elsewhere(driver.ended, QUICK, "second", None)
    second.join(PATIENCE)
    assert not second.is_alive()
    assert machine.told.empty()
    go_on.set()
    assert machine.heard() == ("done first", first)
    what, thread = machine.heard()
    assert (what, thread.name) == ("done second", "rdzv driver")


def test_a_tick_that_is_due_sooner_than_before_comes_in_time(machine: Machine, driver: Driver) -> None:
    """The driver's thread sleeps until what it knew; an event that is taken in elsewhere wakes it for less."""
    due = clock.now() + 0.05

    def hurry() -> None:
        machine.during = lambda: None
        machine.wake_at = due

    machine.during = hurry
    elsewhere(driver.ended, QUICK, "it", None)
    assert machine.heard()[0] == "done it"
    what, thread = machine.heard()
    assert (what, thread.name) == ("tick", "rdzv driver")
    assert clock.now() >= due


def test_after_close_nothing_is_taken_in(machine: Machine, driver: Driver) -> None:
    """An answer that comes late finds nobody at home, and its bringer is none the worse for it."""
    driver.close()
    elsewhere(driver.ended, QUICK, "it", None).join(PATIENCE)
    assert machine.told.empty()
