"""The nodes under chaos: `rdzv run` processes, and what may be done to them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rdzv_core.cli.node.guard import die_with_parent

WORKER = Path(__file__).with_name("worker.py")
GRACE = 0.8
"""The grace period as a part of the fence delay."""


class Node:
    """One `rdzv run` with its guard and its workers."""

    def __init__(self, name: str, directory: Path, arguments: list[str], fence_delay: float) -> None:
        self.name = name
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
                env={**os.environ, "CHAOS_NODE": name},
                preexec_fn=die_with_parent,
            )

    @property
    def alive(self) -> bool:
        """Whether its agent runs, or is stopped."""
        return self.process.poll() is None

    def last_words(self) -> str:
        """Give the last line that it said."""
        return self._log.read_text(errors="replace").strip().rpartition("\n")[2]

    def tree(self) -> list[int]:
        """Give the process ids of the agent, its guard, the worker, and the worker's child."""
        return _descendants(self.process.pid)

    def signal_agent(self, number: int) -> None:
        """Signal `rdzv run` alone."""
        send([self.process.pid], number)

    def signal_tree(self, number: int) -> None:
        """Signal `rdzv run` and everything below it."""
        send(self.tree(), number)

    def signal_guard(self, number: int) -> None:
        """Signal the command's guard, if there is one just now."""
        send(self.tree()[1:2], number)

    def signal_worker(self, number: int) -> None:
        """Signal the command, if there is one just now."""
        send(self.tree()[2:3], number)


def send(processes: list[int], number: int) -> None:
    """Signal those of the processes that are there still."""
    for process in processes:
        try:
            os.kill(process, number)
        except ProcessLookupError:
            pass


def leftovers(directory: Path) -> list[int]:
    """Give the processes that still work in this directory."""
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
