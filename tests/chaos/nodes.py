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

    def processes(self, which: str) -> list[int]:
        """Return process ids: of the `agent` (`rdzv run` itself), its `watchdog`, the `worker`, or the whole `tree`.

        While no command runs there is neither a watchdog nor a worker.
        """
        tree = _descendants(self.process.pid)
        return {"agent": tree[:1], "watchdog": tree[1:2], "worker": tree[2:3], "tree": tree}[which]

    def signal(self, which: str, number: int) -> None:
        """Send a signal to those processes."""
        send(self.processes(which), number)


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
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return [process]
    return [process, *(below for child in children for below in _descendants(int(child)))]
