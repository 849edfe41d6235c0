"""From what tests found to clauses, and to a verdict."""

from __future__ import annotations

import json

import pytest
from rdzv_conformance.contract.clauses import catalogue
from rdzv_conformance.harness.expect import ClauseFailed, Unsupported, Untested
from rdzv_conformance.run.results import Report, Status, Subject, TestResult, by_clause, status_of


def _result(number: str, status: Status, message: str = "") -> TestResult:
    return TestResult(f"test_{number}", (f"RDZV-{number}",), status, message)


def _report(*results: TestResult, profiles: tuple[str, ...] = ("core",)) -> Report:
    return Report(Subject("mine", "here"), profiles, by_clause(results, profiles))


def _all_pass(but: str = "") -> list[TestResult]:
    return [_result(number.removeprefix("RDZV-"), "pass") for number in catalogue() if number != f"RDZV-{but}"]


@pytest.mark.parametrize(
    ("statuses", "combined"),
    [
        (("pass", "fail", "error"), "fail"),
        (("pass", "error"), "error"),
        (("pass", "untested", "unsupported"), "pass"),
        (("unsupported", "untested"), "untested"),
        (("unsupported",), "unsupported"),
    ],
)
def test_the_worst_finding_decides_a_clause(statuses: tuple[Status, ...], combined: Status) -> None:
    """A failure outweighs an error, an error a pass; a pass outweighs what could not be tested."""
    clauses = by_clause([_result("CAS-1", status) for status in statuses], ["core"])
    assert next(each.status for each in clauses if each.clause == "RDZV-CAS-1") == combined


def test_a_clause_without_a_result_is_untested() -> None:
    """Nothing is taken for granted: what was not run is listed, and is not a pass."""
    report = _report(*_all_pass(but="CAS-13"))
    assert [each.clause for each in report.of("untested")] == ["RDZV-CAS-13"]
    assert report.certified
    assert report.verdict == "certified: core (untested: RDZV-CAS-13)"


def test_one_failure_is_enough_to_refuse_the_certificate() -> None:
    """The verdict names the clause, and the profiles that held."""
    report = _report(*_all_pass(but="CAS-7"), _result("CAS-7", "fail", "revived"), profiles=("core", "watch"))
    assert not report.certified
    assert report.verdict == "NOT certified: core (RDZV-CAS-7 fail); held: watch"


def test_an_error_of_the_suite_certifies_nothing() -> None:
    """What could not be judged is not taken for good."""
    assert not _report(*_all_pass(but="CAS-7"), _result("CAS-7", "error")).certified


def test_a_profile_of_which_nothing_held_is_not_certified() -> None:
    """All unsupported is no certificate."""
    report = _report(_result("WATCH-1", "unsupported"), profiles=("watch",))
    assert report.verdict.startswith("NOT certified: watch (no clause of it was seen to hold)")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, ("pass", "")),
        (ClauseFailed("wrong"), ("fail", "wrong")),
        (Untested("needs it"), ("untested", "needs it")),
        (Unsupported("has it not"), ("unsupported", "has it not")),
        (KeyError("x"), ("error", "KeyError: 'x'")),
    ],
)
def test_a_tests_ending_has_a_status(error: BaseException | None, status: tuple[str, str]) -> None:
    """Five endings, five statuses."""
    assert status_of(error) == status


def test_a_report_is_json_and_says_under_what_it_was_made() -> None:
    """Verdict first; the versions of suite, contract, Python and system; every clause with its text."""
    found = json.loads(json.dumps(_report(*_all_pass()).as_dict()))
    assert next(iter(found)) == "verdict"
    assert found["contract_version"] == 1
    assert {"suite_version", "python", "os", "subject", "profiles"} <= set(found)
    assert found["clauses"][0]["text"] == catalogue()["RDZV-STATE-1"].text
