"""Certifying a backend: the suite in a process of its own, started again after the test that killed it."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from typing import IO, Any

from rdzv_conformance import results
from rdzv_conformance.clauses import clauses_of
from rdzv_conformance.results import Report, TestResult, by_clause
from rdzv_conformance.subject import TEST_LIMIT
from rdzv_conformance.suite import Suite
from rdzv_core import BackendRegistry
from rdzv_core.registry import normalize

SILENCE_LIMIT = TEST_LIMIT + 60.0
"""A process that says nothing for so long hangs where its own watchdog does not reach it."""

Progress = Callable[[str, int, int], None]


class CouldNotRunError(Exception):
    """There was nothing to certify: the backend is not there, its store is not, or an option is wrong."""


class _Child:
    """One process that runs what is left of the suite."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from rdzv_conformance._child import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
            text=True,
        )
        assert self._process.stdin is not None
        self._events: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._said: list[str] = []
        self._readers = [
            _follow(self._process.stdout, self._events.put, lambda: self._events.put("")),
            _follow(self._process.stderr, self._said.append, lambda: None),
        ]
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()

    def next_event(self) -> dict[str, Any] | None:
        """Give what the process says next; None once it has ended, or hangs beyond help."""
        try:
            line = self._events.get(timeout=SILENCE_LIMIT)
        except queue.Empty:
            return None
        return json.loads(line) if line else None

    def stop(self) -> str:
        """End the process and say how it ended."""
        hung = self._process.poll() is None and self._events.empty()
        try:
            self._process.wait(1)
            hung = False
        except subprocess.TimeoutExpired:
            self._process.kill()
        code = self._process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()
        last = next((line.strip() for line in reversed(self._said) if line.strip()), "")
        return f"{'it hung' if hung else f'status {code}'}{f', {last}' if last else ''}"


def certify(
    backend: str,
    endpoint: str,
    options: Mapping[str, str],
    profiles: tuple[str, ...] = (),
    progress: Progress | None = None,
    preload: tuple[str, ...] = (),
    patience: float = 20.0,
) -> Report:
    """Run the suite; without `profiles`, all that the backend claims. Raises `CouldNotRunError`.

    A test whose process died or hung is a failure of its clauses, and the suite goes on after it.
    """
    job = {
        "backend": backend,
        "endpoint": endpoint,
        "options": dict(options),
        "preload": preload,
        "patience": patience,
        "profiles": profiles,
    }
    found: list[TestResult] = []
    while True:
        finished, profiles = _run_once(
            {**job, "profiles": profiles, "done": [each.test for each in found]}, found, progress
        )
        if finished:
            return _report(backend, endpoint, options, profiles, found)


def _run_once(
    job: Mapping[str, Any], found: list[TestResult], progress: Progress | None
) -> tuple[bool, tuple[str, ...]]:
    child = _Child(job)
    profiles: tuple[str, ...] = tuple(job["profiles"])
    total, running = 0, None
    try:
        while (event := child.next_event()) is not None:
            kind = event["kind"]
            if kind == "refused":
                raise CouldNotRunError(event["message"])
            if kind == "plan":
                profiles, total = tuple(event["profiles"]), len(found) + len(event["tests"])
            elif kind == "start":
                running = event["test"]
                if progress is not None:
                    progress(running, len(found), total)
            elif kind == "done":
                result = event["result"]
                found.append(TestResult(**{**result, "clauses": tuple(result["clauses"])}))
                running = None
            elif kind == "end":
                return True, profiles
    finally:
        ending = child.stop()
    if running is None:
        raise CouldNotRunError(f"the process of the suite ended before a test ({ending})")
    clauses = clauses_of(getattr(Suite, running))
    found.append(TestResult(running, clauses, "fail", f"the process died in this test ({ending})"))
    return False, profiles


def _report(
    backend: str, endpoint: str, options: Mapping[str, str], profiles: tuple[str, ...], found: list[TestResult]
) -> Report:
    infos = [info for info in BackendRegistry().list() if info.name == normalize(backend.rpartition(":")[2])]
    distribution, version = (infos[0].distribution, infos[0].version) if infos else ("", "")
    subject = results.Subject(backend, endpoint, distribution, version, tuple(sorted(options)))
    return Report(subject, profiles, by_clause(found, profiles))


def _follow(stream: IO[str] | None, take: Callable[[str], object], end: Callable[[], object]) -> threading.Thread:
    def read() -> None:
        assert stream is not None
        for line in stream:
            take(line)
        end()

    thread = threading.Thread(target=read, name="rdzv-certify-reader", daemon=True)
    thread.start()
    return thread
