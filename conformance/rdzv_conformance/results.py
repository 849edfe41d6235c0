"""Results as data: what each test found, what that says about each clause, and the verdict. No pytest here."""

from __future__ import annotations

import platform
import unittest
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import rdzv_conformance
from rdzv_conformance.clauses import catalogue
from rdzv_conformance.expect import ClauseFailed, Unsupported, shown_error
from rdzv_core import CONTRACT_VERSION

Status = Literal["pass", "fail", "unsupported", "untested", "error"]

REPORT_VERSION = 1

_WEIGHT: dict[Status, int] = {"fail": 4, "error": 3, "pass": 2, "untested": 1, "unsupported": 0}


@dataclass(frozen=True)
class TestResult:
    """What one test found, for which clauses, and in how many seconds."""

    __test__ = False  # its name is no invitation to pytest

    test: str
    clauses: tuple[str, ...]
    status: Status
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class ClauseResult:
    """What the tests of one clause found together: the worst of failures, else a pass, else why there is none."""

    clause: str
    profile: str
    text: str
    status: Status
    message: str = ""
    tests: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subject:
    """What was certified; never an option's value, which may be a secret."""

    backend: str
    endpoint: str
    distribution: str = ""
    version: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """Everything that a certificate says."""

    subject: Subject
    profiles: tuple[str, ...]
    clauses: tuple[ClauseResult, ...]
    report_version: int = REPORT_VERSION
    suite_version: str = rdzv_conformance.__version__
    contract_version: int = CONTRACT_VERSION
    python: str = field(default_factory=platform.python_version)
    os: str = field(default_factory=platform.platform)

    def of(self, status: Status, profile: str | None = None) -> list[ClauseResult]:
        """Give the clauses of a status, in one profile or in all."""
        return [c for c in self.clauses if c.status == status and profile in (None, c.profile)]

    def holds(self, profile: str) -> bool:
        """Say whether a profile is certified: nothing of it failed, and something of it was seen to hold."""
        return not self.of("fail", profile) and not self.of("error", profile) and bool(self.of("pass", profile))

    @property
    def certified(self) -> bool:
        """Whether every profile asked for is certified."""
        return bool(self.profiles) and all(self.holds(profile) for profile in self.profiles)

    @property
    def verdict(self) -> str:
        """One line for a person."""
        good = [profile for profile in self.profiles if self.holds(profile)]
        if self.certified:
            return f"certified: {', '.join(good)}{_listed('untested', self.of('untested'))}"
        bad = [f"{profile} ({self._why_not(profile)})" for profile in self.profiles if profile not in good]
        held = f"; held: {', '.join(good)}" if good else ""
        return f"NOT certified: {', '.join(bad)}{held}{_listed('untested', self.of('untested'))}"

    def _why_not(self, profile: str) -> str:
        broken = [
            f"{c.clause} {c.status}" for c in self.clauses if c.profile == profile and c.status in ("fail", "error")
        ]
        return ", ".join(broken) or "no clause of it was seen to hold"

    def as_dict(self) -> dict[str, Any]:
        """Give the report for JSON, verdict first."""
        return {"verdict": self.verdict, "certified": self.certified, **asdict(self)}


def status_of(error: BaseException | None) -> tuple[Status, str]:
    """Read what a test's ending says: None is a pass; a finding, a skip with its reason, or an error of the suite."""
    if error is None:
        return "pass", ""
    if isinstance(error, ClauseFailed):
        return "fail", str(error)
    if isinstance(error, Unsupported):
        return "unsupported", str(error).removeprefix("unsupported: ")
    if isinstance(error, unittest.SkipTest):
        return "untested", str(error).removeprefix("untested: ")
    return "error", shown_error(error)


def by_clause(results: Iterable[TestResult], profiles: Iterable[str]) -> tuple[ClauseResult, ...]:
    """Combine tests' results into one for each clause of `profiles`; a clause without a result is untested."""
    found: dict[str, list[TestResult]] = {}
    for result in results:
        for number in result.clauses:
            found.setdefault(number, []).append(result)
    wanted = set(profiles)
    return tuple(
        _combine(number, clause.profile, clause.text, found.get(number, []))
        for number, clause in catalogue().items()
        if clause.profile in wanted
    )


def _combine(number: str, profile: str, text: str, results: list[TestResult]) -> ClauseResult:
    if not results:
        return ClauseResult(number, profile, text, "untested", "this suite has no test of it, or it was not run")
    worst = max(results, key=lambda result: _WEIGHT[result.status])
    tests = tuple(result.test for result in results)
    return ClauseResult(number, profile, text, worst.status, worst.message, tests)


def count(clauses: Iterable[ClauseResult]) -> Mapping[Status, int]:
    """Count the clauses of each status."""
    counts: dict[Status, int] = dict.fromkeys(("pass", "fail", "error", "untested", "unsupported"), 0)
    for each in clauses:
        counts[each.status] += 1
    return counts


def _listed(word: str, clauses: list[ClauseResult]) -> str:
    return f" ({word}: {', '.join(each.clause for each in clauses)})" if clauses else ""
