"""Other processes of this machine that use the same store: see `_worker` for what they do."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import queue
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed
from rdzv_conformance.harness.last_words import KEPT_LINES, last_words
from rdzv_conformance.harness.lines import follow
from rdzv_conformance.harness.load import slowness

ANSWER_LIMIT = 45.0
"""Seconds, times the pace, that another process may take for an answer."""
READER_LIMIT = 5.0
HINTS = dict.fromkeys(
    ("fork_and_use", "fork_and_write", "fork_and_hammer", "fork_and_enter", "fork_and_add", "fork_amidst"),
    ": a call on one side of a fork goes on without end (does it wait for an answer that the other side took from a "
    "connection of both, or for a lock that was held when it forked?)",
)
"""What a process that does not answer most likely waits for, by its task."""


class Worker:
    """A process that was given one task; it talks in lines of JSON."""

    def __init__(
        self, under_test: BackendUnderTest, task: str, environment: dict[str, str] | None = None, **arguments: Any
    ) -> None:
        target = under_test.target
        under_test.used_elsewhere = True
        job = {
            "task": task,
            "backend": target.backend,
            "endpoint": target.endpoint,
            "options": dict(target.options),
            "preload": target.preload,
            "patience": target.patience,
            "pace": target.pace,
            "run_id": under_test.run_id,
            "path": sys.path,
            "arguments": {name: encode(value) for name, value in arguments.items()},
        }
        self._task = task
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from rdzv_conformance.suite.worker import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
                **(environment or {}),
            },
            text=True,
            errors="replace",
        )
        self._limit = ANSWER_LIMIT * target.pace
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._complaints: deque[str] = deque(maxlen=KEPT_LINES)
        self._readers = [
            follow(self._process.stdout, self._answers.put, lambda: self._answers.put(""), "rdzv-conformance-reader"),
            follow(self._process.stderr, self._complaints.append, lambda: None, "rdzv-conformance-reader"),
        ]
        self.send(json.dumps(job))

    def send(self, line: str) -> None:
        """Send a line; a process that has ended is noticed when its answer is asked for."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except OSError:
            pass

    def go(self) -> None:
        """Let it do its task: it has said that it is ready."""
        self.send("go")

    def expect(self, kind: str) -> dict[str, Any]:
        """Wait for the next answer, which must be of `kind`; fail the clause if none comes."""
        answer = self.answer()
        if answer["kind"] != kind:
            raise ClauseFailed(f"another process ({self._task}) said {answer} instead of {kind}")
        return answer

    def answer(self) -> dict[str, Any]:
        """Wait for the next answer, of whatever kind; fail the clause if none comes, or if it says that it failed."""
        limit = self._limit * slowness()
        try:
            line = self._answers.get(timeout=limit)
        except queue.Empty:
            hint = HINTS.get(self._task, "")
            told = f"another process ({self._task}) has not answered after {limit:.0f} s{hint}"
            raise ClauseFailed(told) from None
        if not line:
            raise ClauseFailed(f"another process ({self._task}) ended: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if answer["kind"] == "failed":
            raise ClauseFailed(f"in another process ({self._task}): {answer['message']}")
        return answer

    def signal(self, number: int) -> None:
        """Send the process a signal."""
        self._process.send_signal(number)

    def kill(self) -> list[dict[str, Any]]:
        """Kill the process, and give what it said that nobody has asked for yet."""
        self.stop()
        lines = []
        while not self._answers.empty():
            lines.append(self._answers.get())
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # an unsent line, and nobody to read it
            self._process.stdin.close()
        for reader in self._readers:
            reader.join(READER_LIMIT)  # it goes on where a process that the backend started holds the pipe

    def _last_words(self) -> str:
        code = self._process.wait()
        self._readers[1].join(READER_LIMIT)
        said = last_words(self._complaints)
        return f"status {code}{f', {said}' if said else ''}"


@contextlib.contextmanager
def once_ready(workers: Sequence[Worker]) -> Iterator[Sequence[Worker]]:
    """Wait until all of them are ready to `go`; in the end each is stopped, whatever it is doing."""
    try:
        for worker in workers:
            worker.expect("ready")
        yield workers
    finally:
        for worker in workers:
            worker.stop()


def in_another_process(under_test: BackendUnderTest, task: str, **arguments: Any) -> dict[str, Any]:
    """Do one task in a process of its own and give its answer."""
    with once_ready([Worker(under_test, task, **arguments)]) as (worker,):
        worker.go()
        return worker.expect("done")


def encode(value: Any) -> Any:
    """Make bytes fit for JSON; see `decode`."""
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def decode(value: Any) -> Any:
    """Undo `encode`; a state or token given as text stays text."""
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else value
