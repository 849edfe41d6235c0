"""The demo's nodes: `rdzv run` processes, whose progress is read line by line."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

OPTIONS = {"last_call_timeout": "3", "keep_alive_interval": "0.5", "keep_alive_max_attempt": "3", "join_timeout": "60"}

_SPEAKER = re.compile(r"rdzv( [^:]*:[^:]*:[^:]*)?: ")
_JOINED = re.compile(r"joined round (\d+) as rank (\d+) of (\d+) ")
_ASKING = "run "


class Joined(NamedTuple):
    """A round that a node joined, and when, by this process's monotonic clock."""

    round: int
    rank: int
    size: int
    at: float


class Node:
    """One `rdzv run`. A separate thread reads its output and updates the attributes."""

    def __init__(self, name: str, backend: str, endpoint: str, directory: Path, tell: Callable[[str], None]) -> None:
        self.name = name
        self.lines: list[str] = []
        self.asked_at: float | None = None
        self.joined: list[Joined] = []
        self._tell = tell
        options = [word for option, value in OPTIONS.items() for word in ("--option", f"{option}={value}")]
        where = [
            "--backend",
            backend,
            "--endpoint",
            endpoint,
            "--run-id",
            "demo",
            "--nodes",
            "3:4",
            "--local-addr",
            name,
        ]
        worker = [sys.executable, str(Path(__file__).with_name("worker.py")), str(directory), name]
        self.process = subprocess.Popen(  # noqa: S603 - our own programs
            [sys.executable, "-m", "rdzv_core", "run", *where, *options, "--", *worker],
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def in_round_of(self, size: int) -> Joined | None:
        """Return the last round that the node joined, if it has `size` nodes."""
        return self.joined[-1] if self.joined and self.joined[-1].size == size else None

    def close(self) -> None:
        """Kill it if it is still running, and read the rest of its output."""
        self.process.kill()
        self.process.wait()
        self._reader.join(timeout=10)
        if self.process.stderr is not None and not self._reader.is_alive():
            self.process.stderr.close()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            now = time.monotonic()
            self.lines.append(line.rstrip())
            said = _SPEAKER.sub("", line.rstrip(), count=1)
            if said.startswith(_ASKING) and self.asked_at is None:
                self.asked_at = now
            found = _JOINED.match(said)
            if found:
                number, rank, size = map(int, found.groups())
                self.joined.append(Joined(number, rank, size, now))
            self._tell(f"{self.name}  {said}")
