"""What pytest prints at the end about one class of the suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rdzv_conformance.contract.clauses import PROFILES
from rdzv_conformance.run.results import ClauseResult, Report, Subject, TestResult, by_clause, count
from rdzv_conformance.run.runner import select_tests

NAMED = 20


@dataclass(frozen=True)
class Summary:
    """The backend's name, lines about the clauses that did not pass, and the verdict."""

    backend: str
    lines: tuple[str, ...]
    verdict: str
    certified: bool


def summary(findings: Sequence[Mapping[str, Any]]) -> Summary:
    """Combine what the tests of one class found. Tests that were deselected make the verdict partial."""
    results = [
        TestResult(each["test"], tuple(each["clauses"]), each["status"], each["message"], left=tuple(each["left"]))
        for each in findings
    ]
    profiles = _profiles(results)
    clauses = by_clause(results, profiles)
    backend = next((str(each["backend"]) for each in findings if each["backend"] != "?"), "?")
    report = Report(Subject(backend, ""), profiles, clauses)
    wanted = select_tests(profiles)
    bent = {each["test"]: each["bent"] for each in findings if each["bent"]}
    missing = [test for test in wanted if test not in {result.test for result in results}]
    counts = ", ".join(f"{number} {status}" for status, number in count(clauses).items() if number)
    lines = [*(_line(each) for each in clauses if each.status != "pass"), f"clauses: {counts}"]
    if missing or bent:
        lines += [f"not run as it is in the suite: {test} ({how})" for test, how in sorted(bent.items())]
        # A handful has names that are worth reading; of a selection by hand everybody knows what was left out.
        named = missing if len(missing) <= NAMED else [*missing[:NAMED], f"… and {len(missing) - NAMED} more"]
        lines += [f"not run at all: {test}" for test in named]
        held = "NOT certified" if report.of("fail") or report.of("error") else "not certified"
        count_of = [f"{len(missing)} of the suite's {len(wanted)} tests were not run"] if missing else []
        count_of += [f"{len(bent)} not as they are in the suite"] if bent else []
        verdict = f"partial, {held}: {', '.join(count_of)}"
        return Summary(backend, tuple(lines), verdict, certified=False)
    return Summary(backend, tuple(lines), report.verdict, report.certified)


def _profiles(results: Sequence[TestResult]) -> tuple[str, ...]:
    """Return the profiles of which something other than "unsupported" was found."""
    return tuple(
        profile
        for profile in PROFILES
        if any(each.status != "unsupported" for each in by_clause(results, [profile]) if each.tests)
    )


def _line(result: ClauseResult) -> str:
    return f"{result.clause:<14} {result.status:<11} {' '.join(result.message.split())}"
