"""Results as data: what each test found, what that says about each clause, and the verdict. No pytest here."""

from __future__ import annotations

import os
import platform
import unittest
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import rdzv_core
from rdzv_conformance._version import VERSION
from rdzv_conformance.contract.clauses import catalogue
from rdzv_conformance.harness.expect import ClauseFailed, Unsupported, shown_error
from rdzv_conformance.harness.leaks.detector import by_its_clause, message_of
from rdzv_core import CONTRACT_VERSION

Status = Literal["pass", "fail", "unsupported", "untested", "error"]

ESSENTIAL: Mapping[str, tuple[str, ...]] = {
    "core": ("RDZV-STATE-2", "RDZV-CAS-3", "RDZV-CAS-4"),
    "watch": ("RDZV-WATCH-1",),
    "membership": ("RDZV-MEMBER-1",),
    "store": ("RDZV-STORE-1",),
    "durable": ("RDZV-DURABLE-1",),
    "secure": ("RDZV-SECURE-1", "RDZV-SECURE-2"),
}
"""What a profile is about: where a test of these could not be run nothing is known that a certificate could say."""

REPORT_VERSION = 1
MOST_MESSAGES = 6

_WEIGHT: dict[Status, int] = {"fail": 4, "error": 3, "pass": 2, "untested": 1, "unsupported": 0}


@dataclass(frozen=True)
class TestResult:
    """What one test found, for which clauses, and in how many seconds."""

    __test__ = False  # its name must not make pytest collect it

    test: str
    clauses: tuple[str, ...]
    status: Status
    message: str = ""
    seconds: float = 0.0
    left: tuple[str, ...] = ()
    """What was left when everything that the test had opened was closed."""


@dataclass(frozen=True)
class Evidence:
    """What one test found about one clause, and in how many seconds."""

    test: str
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
    tests: tuple[Evidence, ...] = ()

    @property
    def in_part(self) -> bool:
        """Whether it passed, though not all of its tests could be run."""
        return self.status == "pass" and any(test.status == "untested" for test in self.tests)

    @property
    def is_untested(self) -> bool:
        """Whether a test of it could not be run for want of something: all of them, or one."""
        return self.status == "untested" or self.in_part


@dataclass(frozen=True)
class Subject:
    """What was certified. Of an option that is a secret the value is not here; nor are credentials in the endpoint."""

    backend: str
    endpoint: str
    distribution: str = ""
    version: str = ""
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Capability:
    """Something that a backend may add: whether it claims it, and whether that was found to be true.

    `found` is None where it was not tested. What is there but not claimed is never used, and is reported.
    """

    name: str
    claimed: bool
    found: bool | None
    remark: str = ""


@dataclass(frozen=True)
class Condition:
    """A topology or a fault that clauses are about, and whether the backend was tried under it."""

    kind: Literal["topology", "fault"]
    what: str
    clause: str
    status: Status


@dataclass(frozen=True)
class Latency:
    """How long single calls took, in milliseconds, in the order of the calls."""

    operation: str
    samples_ms: tuple[float, ...]
    median_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Tested:
    """Files that the certificate is about: SHA-256 of each, by its path in the distribution, and one over them all."""

    role: Literal["backend", "suite", "core"]
    distribution: str
    version: str
    module: str
    sha256: str
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """Everything that a certificate says."""

    subject: Subject
    profiles: tuple[str, ...]
    clauses: tuple[ClauseResult, ...]
    capabilities: tuple[Capability, ...] = ()
    conditions: tuple[Condition, ...] = ()
    latency: tuple[Latency, ...] = ()
    seed: int = 0
    command: str = ""
    made: str = ""
    seconds: float = 0.0
    tested: tuple[Tested, ...] = ()
    report_version: int = REPORT_VERSION
    suite_version: str = VERSION
    core_version: str = rdzv_core.__version__
    contract_version: int = CONTRACT_VERSION
    python: str = field(default_factory=lambda: f"{platform.python_implementation()} {platform.python_version()}")
    os: str = field(default_factory=platform.platform)
    machine: str = field(default_factory=lambda: f"{platform.machine()}, {os.cpu_count()} processors")

    def of(self, status: Status, profile: str | None = None) -> list[ClauseResult]:
        """Return the clauses of a status, in one profile or in all."""
        return [c for c in self.clauses if c.status == status and profile in (None, c.profile)]

    def holds(self, profile: str) -> bool:
        """Return whether a profile is certified: nothing of it failed, and what it is about was seen to hold."""
        sound = not self.of("fail", profile) and not self.of("error", profile) and bool(self.of("pass", profile))
        return sound and not self.untested_essentials(profile)

    def untested_essentials(self, profile: str) -> list[str]:
        """Return the clauses that a profile is about and of which a test was not run, though it could be elsewhere."""
        essential = ESSENTIAL.get(profile, ())
        return [each.clause for each in self.clauses if each.clause in essential and each.is_untested]

    @property
    def scope(self) -> str:
        """What the certificate covers: the topologies and faults under which its clauses were seen to hold."""
        held = [each for each in self.conditions if each.status == "pass"]
        topologies = [each.what for each in held if each.kind == "topology"]
        faults = [each.what for each in held if each.kind == "fault"]
        if "core" not in self.profiles:
            return "the profile core was not tested: nothing is said about linearizability"
        if not self.holds("core") or not topologies:
            return "not shown to be linearizable: the profile core does not hold"
        under = f", under these faults: {'; '.join(faults)}" if faults else ", without any fault"
        return f"linearizable for {', '.join(topologies)}{under}; as far as it was tried, and no more"

    @property
    def certified(self) -> bool:
        """Whether every profile asked for is certified."""
        return bool(self.profiles) and all(self.holds(profile) for profile in self.profiles)

    @property
    def verdict(self) -> str:
        """One line for a person."""
        good = [profile for profile in self.profiles if self.holds(profile)]
        if self.certified:
            return f"certified: {', '.join(good)}{self._gaps()}"
        bad = [f"{profile} ({self._why_not(profile)})" for profile in self.profiles if profile not in good]
        held = f"; held: {', '.join(good)}" if good else ""
        return f"NOT certified: {', '.join(bad)}{held}{self._gaps()}"

    def _gaps(self) -> str:
        in_part = [each for each in self.clauses if each.in_part]
        return _listed("untested", self.of("untested")) + _listed("in part untested", in_part)

    def _why_not(self, profile: str) -> str:
        broken = [
            f"{c.clause} {c.status}" for c in self.clauses if c.profile == profile and c.status in ("fail", "error")
        ]
        if broken:
            return ", ".join(broken)
        untested = ", ".join(self.untested_essentials(profile))
        return f"not tested: {untested}" if untested else "no clause of it was seen to hold"

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON, verdict first."""
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


def with_what_was_left(results: Iterable[TestResult]) -> Iterator[TestResult]:
    """Return the results, and for what a test left a failure of the clause that forbids it."""
    for result in results:
        yield result
        for number, texts in by_its_clause(result.left):
            yield TestResult(result.test, (number,), "fail", message_of(result.test, texts), result.seconds)


def by_clause(results: Iterable[TestResult], profiles: Iterable[str]) -> tuple[ClauseResult, ...]:
    """Combine tests' results into one for each clause of `profiles`; a clause without a result is untested."""
    found: dict[str, list[TestResult]] = {}
    for result in with_what_was_left(results):
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
    worst = max((result.status for result in results), key=lambda status: _WEIGHT[status])
    # Of tests with one ending each may have found something else: nothing is left to be found in a second run. And
    # what else was not tested is said of a clause that passed.
    told = "untested" if worst == "pass" else worst
    messages = dict.fromkeys(result.message for result in results if result.status == told and result.message)
    message = f"{'in part untested: ' if worst == 'pass' and messages else ''}{_joined(messages)}"
    tests = tuple(Evidence(result.test, result.status, result.message, result.seconds) for result in results)
    return ClauseResult(number, profile, text, worst, message, tests)


def _joined(messages: Iterable[str]) -> str:
    each = list(messages)
    if len(each) > MOST_MESSAGES:
        each = [*each[: MOST_MESSAGES - 1], f"and {len(each) - MOST_MESSAGES + 1} findings more: see each test"]
    return ("\n" if any("\n" in message for message in each) else "; ").join(each)


def count(clauses: Iterable[ClauseResult]) -> Mapping[Status, int]:
    """Count the clauses of each status."""
    counts: dict[Status, int] = dict.fromkeys(("pass", "fail", "error", "untested", "unsupported"), 0)
    for each in clauses:
        counts[each.status] += 1
    return counts


def _listed(word: str, clauses: list[ClauseResult]) -> str:
    return f" ({word}: {', '.join(each.clause for each in clauses)})" if clauses else ""
