"""Certifying a backend: the suite in a process of its own, started again after the test that killed it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from rdzv_conformance.clauses import clauses_of
from rdzv_conformance.progress import Watcher
from rdzv_conformance.reports._assemble import Findings, Secrets, assemble
from rdzv_conformance.results import Latency, Report, TestResult
from rdzv_conformance.subject import TEST_LIMIT
from rdzv_conformance.suite import Suite

LOOK_EVERY = 1.0
READER_LIMIT = 5.0
LAST_WORDS = 50
SILENCE_LIMIT = TEST_LIMIT + 60.0
"""A process that says nothing for so long, times its pace, hangs where its own watchdog does not reach it."""


class CouldNotRunError(Exception):
    """There was nothing to certify: the backend is not there, its store is not, or an option is wrong."""


class _Child:
    """One process that runs what is left of the suite."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self._pace = 1.0
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from rdzv_conformance._child import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
                "TMPDIR": job["temp_dir"],
            },
            text=True,
            errors="replace",
            start_new_session=True,  # a group that can be ended as a whole, with all that a backend started
        )
        assert self._process.stdin is not None
        self._events: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._said: deque[str] = deque(maxlen=LAST_WORDS)
        self._readers = [
            _follow(self._process.stdout, self._events.put, lambda: self._events.put("")),
            _follow(self._process.stderr, self._said.append, lambda: None),
        ]
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()

    def next_event(self) -> dict[str, Any] | None:
        """Give what the process says next; None once it has ended, or hangs beyond help."""
        line = self._next_line()
        event: dict[str, Any] | None = json.loads(line) if line else None
        if event is not None and event["kind"] == "pace":
            self._pace = event["pace"]
            return self.next_event()
        return event

    def _next_line(self) -> str:
        """Give the next line, nothing at the end: of the process, not of the pipe, which its children may hold open."""
        ends = time.monotonic() + SILENCE_LIMIT * self._pace
        while time.monotonic() < ends:
            ended = self._process.poll() is not None
            try:
                return self._events.get(timeout=0.1 if ended else LOOK_EVERY)
            except queue.Empty:
                if ended:
                    break
        return ""

    def stop(self) -> str:
        """End the process, and everything that it started, and say how it ended."""
        hung = self._process.poll() is None and self._events.empty()
        try:
            self._process.wait(1)
            hung = False
        except subprocess.TimeoutExpired:
            self._process.kill()
        code = self._process.wait()
        end_group(self._process.pid)
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # a job that nobody has read
            self._process.stdin.close()
        for reader in self._readers:
            reader.join(READER_LIMIT)  # it goes on where somebody who has left the group holds the pipe
        last = next((line.strip() for line in reversed(self._said) if line.strip()), "")
        return f"{'it hung' if hung else f'status {code}'}{f', {last}' if last else ''}"


def certify(
    backend: str,
    endpoint: str | None,
    options: Mapping[str, str],
    profiles: tuple[str, ...] = (),
    watcher: Watcher | None = None,
    preload: tuple[str, ...] = (),
    patience: float = 20.0,
    seed: int = 0,
) -> Report:
    """Run the suite; without `profiles`, all that the backend claims. Raises `CouldNotRunError`.

    Where `endpoint` is None the suite starts a store of its own. A test whose process died or hung is a failure of its
    clauses, and the suite goes on after it. The same `seed` makes the suite draw the same random numbers. No secret
    among the options is in the report.
    """
    began = time.monotonic()
    job = {
        "backend": backend,
        "endpoint": endpoint,
        "options": dict(options),
        "preload": preload,
        "patience": patience,
        "seed": seed,
    }
    findings = Findings(backend, endpoint, dict(options), seed=seed, asked=profiles, profiles=profiles)
    with tempfile.TemporaryDirectory(prefix="rdzv-certify-", ignore_cleanup_errors=True) as directory:
        while not _run_once({**job, **_places(Path(directory))}, findings, watcher or Watcher()):
            pass
    return assemble(findings, time.monotonic() - began)


def _places(directory: Path) -> dict[str, str]:
    """Make directories for one process: for its temp files, which are counted, and for a store of the suite's own."""
    return {f"{name}_dir": tempfile.mkdtemp(prefix=f"{name}-", dir=directory) for name in ("temp", "store")}


def _run_once(job: Mapping[str, Any], findings: Findings, watcher: Watcher) -> bool:
    """Run what is left in one process, and say whether that was all."""
    done = [each.test for each in findings.tests]
    listener = _Listener(findings, watcher)
    child = _Child({**job, "profiles": findings.profiles, "done": done, "writes": findings.writes})
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
    watcher.ended(findings.add(TestResult(running, clauses, "fail", f"the process died in this test ({ending})")))
    return False


class _Listener:
    """Takes in what one process of the suite says."""

    def __init__(self, findings: Findings, watcher: Watcher) -> None:
        self.running: str | None = None
        self.measuring = False
        self._findings = findings
        self._watcher = watcher
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
            self._watcher.planned(self._findings.profiles, event["tests"])

    def _start(self, event: Mapping[str, Any]) -> None:
        self.running = event["test"]
        self._watcher.began(event["test"], len(self._findings.tests), self._total)

    def _done(self, event: Mapping[str, Any]) -> None:
        self._watcher.ended(self._findings.add(TestResult(**event["result"])))
        self.running = None

    def _measuring(self, _: Mapping[str, Any]) -> None:
        self.measuring = True
        self._watcher.measuring()

    def _measured(self, event: Mapping[str, Any]) -> None:
        samples = ({**each, "samples_ms": tuple(each["samples_ms"])} for each in event["latency"])
        self._findings.latency = tuple(Latency(**each) for each in samples)


def end_group(group: int) -> None:
    """End every process of a group that this process started."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # the latter is what macOS says of a group of the dead
        pass


def _follow(stream: IO[str] | None, take: Callable[[str], object], end: Callable[[], object]) -> threading.Thread:
    def read() -> None:
        assert stream is not None
        with stream:  # closed by whoever reads it: anybody else would wait for the reader
            for line in stream:
                take(line)
        end()

    thread = threading.Thread(target=read, name="rdzv-certify-reader", daemon=True)
    thread.start()
    return thread
