"""Certifying a backend: the suite in a process of its own, started again after the test that killed it."""

from __future__ import annotations

import tempfile
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from rdzv_conformance.contract.labels import clauses_of, is_early, is_last, names_of_tests
from rdzv_conformance.run.assemble import assemble
from rdzv_conformance.run.findings import Findings, Secrets
from rdzv_conformance.run.progress import Progress
from rdzv_conformance.run.results import Latency, Report, TestResult
from rdzv_conformance.run.suite_process import SuiteProcess
from rdzv_conformance.suite import Suite

LOOK_EVERY = 0.1


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
    jobs: int = 1,
    cluster: bool = False,
) -> Report:
    """Run the suite; without `profiles`, all that the backend claims. Raises `CouldNotRunError`.

    Where `endpoint` is None the suite starts a store of its own, or a `cluster`. A test whose process died or hung is a
    failure of its clauses, and the suite goes on after it. The same `seed` makes the suite draw the same random
    numbers. No secret among the options is in the report. The tests run in `jobs` processes side by side, unless they
    stop, kill or empty a store that these would share; in half as many again where the store is in each process itself.
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
        _Lanes(job, findings, progress or Progress(), Path(directory), jobs).run()
    order = {name: place for place, name in enumerate(names_of_tests(Suite))}
    findings.tests.sort(key=lambda each: order[each.test])
    return assemble(findings, time.monotonic() - began)


def _places(directory: Path) -> dict[str, str]:
    """Make directories for one process: for its temp files, which are counted, and for a store of the suite's own."""
    return {f"{name}_dir": tempfile.mkdtemp(prefix=f"{name}-", dir=directory) for name in ("temp", "store")}


def _mixed(tests: Sequence[str]) -> list[str]:
    """Return the tests in the order in which they are begun: those of the register, which work, among the others.

    Most tests of watch, members and stores wait; the longest waits begin first. What is to be last stays last.
    """
    last = [name for name in tests if is_last(getattr(Suite, name))]
    early = [name for name in tests if is_early(getattr(Suite, name))]
    others = [name for name in tests if name not in (*last, *early)]
    half = len(others) // 2
    mixed = chain.from_iterable(zip_longest(others[half:], others[:half]))
    return [*early, *(name for name in mixed if name is not None), *last]


class _Lanes:
    """Processes side by side, each of which takes the next test when it has ended one: most of them are waiting."""

    def __init__(
        self, job: Mapping[str, Any], findings: Findings, progress: Progress, directory: Path, lanes: int
    ) -> None:
        self._job = job
        self._lanes = lanes
        self._findings = findings
        self._directory = directory
        self._events = _Events(findings, progress)
        self._threads: list[threading.Thread] = []
        self._raised: list[BaseException] = []
        self._processes: set[SuiteProcess] = set()
        self._over = False

    def run(self) -> None:
        """Run all tests; raises what the first lane that fails raises."""
        try:
            first = self._begin(True)
            while first.is_alive() and not self._events.planned.wait(LOOK_EVERY):
                pass
            if self._events.planned.is_set() and not self._events.alone:
                for _ in range(1, self._lanes * 6 // 5 if self._events.in_process else self._lanes):
                    self._begin(False)
            for thread in self._threads:
                while thread.is_alive():
                    thread.join(LOOK_EVERY)  # so that a signal is noticed
        finally:
            self._over = True
            for process in [*self._processes]:
                process.kill()
            for thread in self._threads:
                thread.join()
        if self._raised:
            raise self._raised[0]

    def _begin(self, first: bool) -> threading.Thread:
        thread = threading.Thread(target=self._run_lane, args=(first,), name="rdzv-certify", daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _run_lane(self, first: bool) -> None:
        try:
            while not self._over and not self._run_once(first):
                pass
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            if not self._over:
                self._raised.append(error)

    def _run_once(self, first: bool) -> bool:
        """Run tests in one process, and say whether that was all."""
        findings = self._findings
        job = {**self._job, **_places(self._directory), "profiles": findings.profiles, "writes": findings.writes}
        listener = _Listener(self._events)
        child = SuiteProcess(job)
        self._processes.add(child)
        try:
            while (event := child.next_event()) is not None:
                if event["kind"] == "next":
                    child.tell(self._next(first))
                elif listener.hear(event):
                    return True
        finally:
            ending = child.stop()
            self._processes.discard(child)
        if listener.measuring or self._over:
            return True  # the tests are through
        if listener.running is None and findings.writes:
            findings.writes = False
            return False  # again, so that the tests tell which calls kill it
        if listener.running is None:
            raise CouldNotRunError(f"the process of the suite ended before a test ({ending})")
        self._events.died(listener.running, ending)
        return False

    def _next(self, first: bool) -> str:
        """Return what a process does next: a test, or `end`, or `measure`, which the first one does."""
        test = self._events.next_test()
        if test is not None:
            return test
        if not first:
            return "end"
        # The store may be one that this process hosts; and calls are timed in peace.
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()
        # What another process died in is told by now; what it would have run next is left for this one.
        return self._events.next_test() or "measure"


class _Events:
    """What the processes of all lanes have said, one event at a time. Thread-safe."""

    def __init__(self, findings: Findings, progress: Progress) -> None:
        self.planned = threading.Event()
        self.alone = False
        self.in_process = False
        """Whether the store is in the process of the suite, so that another process has none to start."""
        self._findings = findings
        self._progress = progress
        self._lock = threading.Lock()
        self._total = self._began = 0
        self._left: deque[str] = deque()

    def died(self, test: str, ending: str) -> None:
        """A process has ended within a test."""
        message = f"the process died in this test ({ending})"
        self.done(TestResult(test, clauses_of(getattr(Suite, test)), "fail", message))

    def plan(self, event: Mapping[str, Any]) -> None:
        """Take in the plan; all processes have the same one, but for the secrets of their own stores."""
        with self._lock:
            self._findings.lent = (*self._findings.lent, *event["lent"])
            if not self.planned.is_set():
                self._left.extend(_mixed(event["tests"]))
                self._total, self.alone = len(event["tests"]), event["alone"]
                self.in_process = event["in_process"]
                self._findings.take_plan(event)
                self._progress.planned(self._findings.profiles, event["tests"])
                self.planned.set()

    def next_test(self) -> str | None:
        """Take the next test that nobody has taken."""
        with self._lock:
            return self._left.popleft() if self._left else None

    def start(self, test: str) -> None:
        """A test begins."""
        with self._lock:
            self._progress.began(test, self._began, self._total)
            self._began += 1

    def done(self, result: TestResult) -> None:
        """A test has ended."""
        with self._lock:
            self._progress.ended(self._findings.add(result))

    def measuring(self) -> None:
        """The tests are through."""
        with self._lock:
            self._progress.measuring()

    def measured(self, event: Mapping[str, Any]) -> None:
        """Take in how long calls took."""
        samples = ({**each, "samples_ms": tuple(each["samples_ms"])} for each in event["latency"])
        self._findings.latency = tuple(Latency(**each) for each in samples)

    def hide(self, text: str) -> str:
        """Return a text without secrets."""
        return Secrets.of(self._findings).hide(text)


class _Listener:
    """Takes in what one process of the suite says."""

    def __init__(self, events: _Events) -> None:
        self.running: str | None = None
        self.measuring = False
        self._events = events

    def hear(self, event: Mapping[str, Any]) -> bool:
        """Take in one event, and say whether it was the last; raises `CouldNotRunError` if the process refuses."""
        match event["kind"]:
            case "refused":
                raise CouldNotRunError(self._events.hide(event["message"]))
            case "plan":
                self._events.plan(event)
            case "start":
                self.running = event["test"]
                self._events.start(event["test"])
            case "done":
                self._events.done(TestResult(**event["result"]))
                self.running = None
            case "measuring":
                self.measuring = True
                self._events.measuring()
            case "measured":
                self._events.measured(event)
        return bool(event["kind"] == "end")
