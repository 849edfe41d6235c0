"""A command that tells whether this node is fit to work, run before each time it joins."""

from __future__ import annotations

import sys

from rdzv_core import clock
from rdzv_core._cli.node.worker import Streams, Worker
from rdzv_core._cli.watch.words import outcome
from rdzv_core._errors import RendezvousError

STDERR: int = 2


class HealthCheck:
    """Runs `command` in a shell, for `seconds` at most. Its output goes to stderr."""

    def __init__(self, command: str, seconds: float) -> None:
        self._command, self._seconds = command, seconds
        self._worker: Worker | None = None

    def run(self) -> None:
        """Raise `RendezvousError` unless it ends in time, with status 0; `OSError` if there is no shell.

        What it has started is killed when it ends, and all of it with this process.
        """
        streams: Streams = (None if sys.stderr is None else STDERR, None)
        self._worker = Worker(["/bin/sh", "-c", self._command], {}, clock.now() + self._seconds, streams)
        status = self._worker.wait()
        if self._worker.fenced:
            what = f"had not ended after {self._seconds:g} s (--health-check-timeout)"
        elif status:
            what = outcome(status)
        else:
            return
        raise RendezvousError(
            f"this node does not join: its health check {self._command!r} {what}; fix the node, then start it again"
        )

    def cancel(self) -> None:
        """Kill it, if it runs."""
        if self._worker is not None:
            self._worker.kill()
