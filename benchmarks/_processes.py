"""Child processes of a benchmark, which end with it."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


class Child:
    """A process that reads lines and answers with lines."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.pid = process.pid

    def tell(self, line: str) -> None:
        """Send a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        """Wait for a line; raise `RuntimeError` if the process ended instead."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args!r:.200} ended with {self.process.wait()} instead of answering")
        return line.strip()


@contextlib.contextmanager
def child(*command: str) -> Iterator[Child]:
    """Run a command while the block runs."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Child(process)
    finally:
        process.terminate()
        process.communicate()


@contextlib.contextmanager
def on_cpu(cpu: int) -> Iterator[None]:
    """Run this process, and what it starts meanwhile, on one processor: `cpu`, counted among those it may use."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(allowed)[cpu % len(allowed)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


@contextlib.contextmanager
def rdzv_server(*options: str) -> Iterator[tuple[Child, str]]:
    """Run `rdzv serve` on a free port; yield the process and its endpoint."""
    with child(sys.executable, "-m", "rdzv_core", "serve", "--endpoint", "127.0.0.1:0", *options) as server:
        yield server, server.hear()


def rss(pid: int) -> int:
    """Return the resident memory of a process, in bytes. Linux."""
    return _status(pid, "VmRSS")


def peak_rss(pid: int) -> int:
    """Return the peak resident memory of a process, in bytes. Linux."""
    return _status(pid, "VmHWM")


def _status(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} has no {field}")


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used, in seconds. Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def allow_many_files() -> None:
    """Allow this process and its children as many connections as the system permits."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
