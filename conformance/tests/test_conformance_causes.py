"""What breaks every call is told once: a report of fifty equal findings hides the one that differs."""

from __future__ import annotations

import pytest
from rdzv_conformance.reports._causes import causes, repeated
from rdzv_conformance.reports.terminal import show_report
from rdzv_conformance.run.results import Report, Subject, TestResult, by_clause


def _found(clause: str, message: str) -> TestResult:
    return TestResult(f"test of {clause}", (f"RDZV-{clause}",), "fail", message)


BROKEN = [
    _found("STATE-1", "get_state() raised ValueError: no such table: runs_0123456789ab"),
    _found("STATE-2", "set_state(b'x', None) raised ValueError: no such table: runs_ba9876543210"),
    _found("CAS-1", "set_state(b'y', None) raised ValueError: no such table: runs_aaaaaaaaaaaa"),
    _found("CAS-2", "the state is b'a': it must be b'b'"),
]


def test_clauses_of_one_cause_are_found_whatever_the_call_and_the_id() -> None:
    """The calls, quoted values and ids differ, the rest does not; a finding of its own is none of them."""
    found = causes(by_clause(BROKEN, ("core",)))
    assert [[each.clause for each in cause.clauses] for cause in found] == [
        ["RDZV-STATE-1", "RDZV-STATE-2", "RDZV-CAS-1"]
    ]
    assert repeated(found) == {"RDZV-STATE-2": "RDZV-STATE-1", "RDZV-CAS-1": "RDZV-STATE-1"}


def test_two_clauses_are_no_crowd() -> None:
    """Where two have one cause both tell it: one test is often for two clauses."""
    assert causes(by_clause(BROKEN[:2], ("core",))) == []


def test_the_cause_is_told_once_and_every_clause_keeps_its_status(capsys: pytest.CaptureFixture[str]) -> None:
    """The first clause tells it, the others refer to that, and a line at the end lists them."""
    clauses = by_clause(BROKEN, ("core",))
    show_report(Report(Subject("mine", "here"), ("core",), clauses))
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in lines if line.startswith("RDZV-")}
    assert rows["RDZV-STATE-2"] == rows["RDZV-CAS-1"] == ["fail", "the same cause as RDZV-STATE-1"]
    assert rows["RDZV-CAS-2"] == ["fail", "the state is b'a': it must be b'b'"]
    told = [line for line in lines if line.startswith("one cause of ")]
    which = "one cause of 3 clauses (RDZV-STATE-1, RDZV-STATE-2, RDZV-CAS-1)"
    assert told == [f"{which}: get_state() raised ValueError: no such table: runs_0123456789ab"]
    assert [each.message for each in clauses if each.clause == "RDZV-CAS-1"] == [BROKEN[2].message]
