"""The nodes of the chaos test: `rdzv run` processes, and what can be done to them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rdzv_core._cli.node.watchdog import die_with_parent
from tests.chaos.links import Link

WORKER = Path(__file__).with_name("worker.py")
GRACE = 0.8
"""The grace period as a fraction of the fence delay."""


class Node:
    """One `rdzv run` with its watchdog and its workers."""

    def __init__(
        self,
        name: str,
        directory: Path,
        arguments: list[str],
        fence_delay: float,
        link: Link | None = None,
        job_seconds: float = float("inf"),
    ) -> None:
        self.name, self.link = name, link
        self.dismissed = False
        self._log = directory / f"{name}.log"
        command = [sys.executable, "-I", "-S", str(WORKER), str(directory / "journals"), str(os.getpid())]
        flags = ["--max-restarts", "1000000", "--grace-period", str(GRACE * fence_delay), "--option", f"node_id={name}"]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rdzv_core", "run", *arguments, *flags, "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "CHAOS_NODE": name, "CHAOS_SECONDS": str(job_seconds)},
                preexec_fn=die_with_parent,
            )

    @property
    def alive(self) -> bool:
        """Whether its agent is running or stopped."""
        return self.process.poll() is None

    def has_joined(self) -> bool:
        """Return whether it has been in a round."""
        return "joined round" in self._log.read_text(errors="replace")

    def last_words(self) -> str:
        """Return the last line of its log."""
        return self._log.read_text(errors="replace").strip().rpartition("\n")[2]

    def processes(self, which: str, place: int = 0) -> list[int]:
        """Return process ids: of the `agent` (`rdzv run` itself), a `watchdog`, a `worker`, or the whole `tree`.

        Of several workers `place` says which, by the order of their process ids. While no command runs there is neither
        a watchdog nor a worker.
        """
        if which == "tree":
            return _descendants(self.process.pid)
        if which == "agent":
            return [self.process.pid]
        watchdogs = sorted(_children(self.process.pid))[place : place + 1]
        return watchdogs if which == "watchdog" else [child for each in watchdogs for child in _children(each)[:1]]

    def signal(self, which: str, number: int, place: int = 0) -> None:
        """Send a signal to those processes."""
        send(self.processes(which, place), number)


def send(processes: list[int], number: int) -> None:
    """Send a signal to those of the processes that still exist."""
    for process in processes:
        try:
            os.kill(process, number)
        except ProcessLookupError:
            pass


def leftovers(directory: Path) -> list[int]:
    """Return the processes that still work in this directory."""
    mark = os.fsencode(str(directory / "journals"))
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if mark in _command_line(entry)]


def _command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes() if int(process.name) != os.getpid() else b""
    except OSError:
        return b""


def _descendants(process: int) -> list[int]:
    return [process, *(below for child in _children(process) for below in _descendants(child))]


def _children(process: int) -> list[int]:
    """Return the children of all threads of a process, by the order in which they came."""
    found: list[int] = []
    for thread in Path(f"/proc/{process}/task").glob("[0-9]*"):
        try:
            found += map(int, (thread / "children").read_text().split())
        except OSError:
            pass
    return found
