"""The process that runs the suite for `certify`: started, followed line by line, and ended with all that it started."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from rdzv_conformance.harness.backend_under_test import TEST_LIMIT
from rdzv_conformance.harness.last_words import KEPT_LINES, last_words
from rdzv_conformance.harness.lines import follow
from rdzv_conformance.harness.load import slowness

LOOK_EVERY = 1.0
READER_LIMIT = 5.0
SILENCE_LIMIT = TEST_LIMIT + 60.0
"""Seconds, times the pace, of silence after which a process counts as hung where its own watchdog cannot reach."""


class SuiteProcess:
    """One process that runs what is left of the suite."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self._pace = 1.0
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from rdzv_conformance.run.child import main; main()"],
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
        self._said: deque[str] = deque(maxlen=KEPT_LINES)
        self._readers = [
            follow(self._process.stdout, self._events.put, lambda: self._events.put(""), "rdzv-certify-reader"),
            follow(self._process.stderr, self._said.append, lambda: None, "rdzv-certify-reader"),
        ]
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()

    def next_event(self) -> dict[str, Any] | None:
        """Return what the process says next; None once it has ended, or hangs beyond help."""
        line = self._next_line()
        event: dict[str, Any] | None = json.loads(line) if line else None
        if event is not None and event["kind"] == "pace":
            self._pace = event["pace"]
            return self.next_event()
        return event

    def _next_line(self) -> str:
        """Return the next line, "" at the end of the process. Its children may hold the pipe open for longer."""
        began = time.monotonic()
        while time.monotonic() < began + SILENCE_LIMIT * self._pace * slowness():
            ended = self._process.poll() is not None
            try:
                return self._events.get(timeout=0.1 if ended else LOOK_EVERY)
            except queue.Empty:
                if ended:
                    break
        return ""

    def tell(self, what: str) -> None:
        """Tell the process what to do next."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended, which is noticed otherwise
            self._process.stdin.write(f"{what}\n")
            self._process.stdin.flush()

    def kill(self) -> None:
        """End the process and everything that it started, at once. From any thread."""
        if self._process.poll() is None:
            end_group(self._process.pid)

    def stop(self) -> str:
        """End the process and everything that it started; return how it ended."""
        hung = self._process.poll() is None and self._events.empty()
        try:
            self._process.wait(1)
            hung = False
        except subprocess.TimeoutExpired:
            self._process.kill()
        code = self._process.wait()
        end_group(self._process.pid)
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # a job that was never read
            self._process.stdin.close()
        for reader in self._readers:
            reader.join(READER_LIMIT)  # it goes on where a process that left the group holds the pipe
        last = last_words(self._said)
        return f"{'it hung' if hung else f'status {code}'}{f', {last}' if last else ''}"


def end_group(group: int) -> None:
    """End every process of a group that this process started."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # the latter is what macOS says of a group of the dead
        pass
