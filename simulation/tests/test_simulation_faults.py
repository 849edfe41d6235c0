"""What goes wrong in a life, and what cannot."""

from __future__ import annotations

from rdzv_simulation import FAULT_TEXTS, FAULTS, Scenario, simulate
from rdzv_simulation._faults.injector import STRIKES
from rdzv_simulation._faults.kinds import MESSAGES, WORK_OVER
from rdzv_simulation._faults.plan import absences, storm


def test_every_fault_is_described() -> None:
    """What may happen is said in words, and what is described may happen."""
    assert set(FAULT_TEXTS) == {*FAULTS, "pct"}


def test_faults_that_are_off_do_not_strike() -> None:
    """With two faults on, only these two are counted, besides the adversary's changes of priority."""
    result = simulate(Scenario(3, 20, ("crash", "cut")))
    assert {kind for kind, count in result.faults.items() if count} <= {"crash", "cut", "pct"}
    assert result.faults["crash"]


def test_every_planned_fault_strikes_somewhere() -> None:
    """What is drawn at a moment has a function; what becomes of messages is drawn for each message."""
    assert set(STRIKES) == {*FAULTS, WORK_OVER} - set(MESSAGES)


def test_a_storm_is_planned_from_the_seed_alone() -> None:
    """The same seed and phase plan the same storm; what is kept of it keeps its time and size."""
    whole = storm(3, 2, FAULTS, None)
    assert whole == storm(3, 2, FAULTS, None)
    assert whole != storm(3, 4, FAULTS, None)
    first = whole.faults[0]
    assert storm(3, 2, FAULTS, {first.name}).faults == (first,)


def test_where_jobs_may_not_fail_their_work_is_over_now_and_then() -> None:
    """So rounds go on under faults of which none ends a round."""
    kinds = {fault.kind for fault in storm(3, 2, ("drift",), None).faults}
    assert kinds == {"drift", WORK_OVER}


def test_the_store_alone_is_away_only_where_it_may_restart() -> None:
    """The numbers of these faults do not collide with those of the storm."""
    planned = [fault for phase in range(40) for fault in absences(1, phase, FAULTS, None)]
    assert planned
    struck = {fault.name for phase in range(40) for fault in storm(1, phase, FAULTS, None).faults}
    assert struck.isdisjoint(fault.name for fault in planned)
    assert not [fault for phase in range(40) for fault in absences(1, phase, ("crash",), None)]
