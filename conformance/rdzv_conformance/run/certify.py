"""Certifying a backend: the suite in a process of its own, started again after the test that killed it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rdzv_conformance.contract.labels import clauses_of
from rdzv_conformance.run.assemble import assemble
from rdzv_conformance.run.findings import Findings, Secrets
from rdzv_conformance.run.progress import Progress
from rdzv_conformance.run.results import Latency, Report, TestResult
from rdzv_conformance.run.suite_process import SuiteProcess
from rdzv_conformance.suite import Suite


class CouldNotRunError(Exception):
    """There was nothing to certify: the backend is not there, its store is not, or an option is wrong."""


def certify(
    backend: str,
    endpoint: str | None,
    options: Mapping[str, str],
    profiles: tuple[str, ...] = (),
    progress: Progress | None = None,
    preload: tuple[str, ...] = (),
    patience: float = 20.0,
    seed: int = 0,
    cluster: bool = False,
) -> Report:
    """Run the suite; without `profiles`, all that the backend claims. Raises `CouldNotRunError`.

    Where `endpoint` is None the suite starts a store of its own, or a `cluster`. A test whose process died or hung is a
    failure of its clauses, and the suite goes on after it. The same `seed` makes the suite draw the same random
    numbers. No secret among the options is in the report.
    """
    began = time.monotonic()
    job = {
        "backend": backend,
        "endpoint": endpoint,
        "options": dict(options),
        "preload": preload,
        "patience": patience,
        "seed": seed,
        "cluster": cluster,
    }
    findings = Findings(backend, endpoint, dict(options), seed=seed, asked=profiles, profiles=profiles, cluster=cluster)
    with tempfile.TemporaryDirectory(prefix="rdzv-certify-", ignore_cleanup_errors=True) as directory:
        while not _run_once({**job, **_places(Path(directory))}, findings, progress or Progress()):
            pass
    return assemble(findings, time.monotonic() - began)


def _places(directory: Path) -> dict[str, str]:
    """Make directories for one process: for its temp files, which are counted, and for a store of the suite's own."""
    return {f"{name}_dir": tempfile.mkdtemp(prefix=f"{name}-", dir=directory) for name in ("temp", "store")}


def _run_once(job: Mapping[str, Any], findings: Findings, progress: Progress) -> bool:
    """Run what is left in one process, and say whether that was all."""
    done = [each.test for each in findings.tests]
    listener = _Listener(findings, progress)
    child = SuiteProcess({**job, "profiles": findings.profiles, "done": done, "writes": findings.writes})
    try:
        while (event := child.next_event()) is not None:
            if listener.hear(event):
                return True
    finally:
        ending = child.stop()
    if listener.measuring:
        return True  # the tests are through
    running = listener.running
    if running is None and findings.writes:
        findings.writes = False
        return False  # again, so that the tests tell which calls kill it
    if running is None:
        raise CouldNotRunError(f"the process of the suite ended before a test ({ending})")
    clauses = clauses_of(getattr(Suite, running))
    progress.ended(findings.add(TestResult(running, clauses, "fail", f"the process died in this test ({ending})")))
    return False


class _Listener:
    """Takes in what one process of the suite says."""

    def __init__(self, findings: Findings, progress: Progress) -> None:
        self.running: str | None = None
        self.measuring = False
        self._findings = findings
        self._progress = progress
        self._total = 0

    def hear(self, event: Mapping[str, Any]) -> bool:
        """Take in one event, and say whether it was the last; raises `CouldNotRunError` if the process refuses."""
        kind = event["kind"]
        if kind == "refused":
            raise CouldNotRunError(Secrets.of(self._findings).hide(event["message"]))
        if kind != "end":
            getattr(self, f"_{kind}")(event)
        return bool(kind == "end")

    def _plan(self, event: Mapping[str, Any]) -> None:
        self._total = len(self._findings.tests) + len(event["tests"])
        if not self._findings.tests:
            self._findings.take_plan(event)
            self._progress.planned(self._findings.profiles, event["tests"])

    def _start(self, event: Mapping[str, Any]) -> None:
        self.running = event["test"]
        self._progress.began(event["test"], len(self._findings.tests), self._total)

    def _done(self, event: Mapping[str, Any]) -> None:
        self._progress.ended(self._findings.add(TestResult(**event["result"])))
        self.running = None

    def _measuring(self, _: Mapping[str, Any]) -> None:
        self.measuring = True
        self._progress.measuring()

    def _measured(self, event: Mapping[str, Any]) -> None:
        samples = ({**each, "samples_ms": tuple(each["samples_ms"])} for each in event["latency"])
        self._findings.latency = tuple(Latency(**each) for each in samples)
