"""What a process holds: threads, file descriptors, children, temp files; and what came on top of it."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

SETTLE = 1.0


@dataclass(frozen=True)
class Residue:
    """What this process holds, each named so that a person can tell what it is."""

    threads: frozenset[str]
    descriptors: frozenset[str]
    children: frozenset[str]
    files: frozenset[str]

    @classmethod
    def now(cls) -> Residue:
        """Look. Linux tells what a descriptor is; elsewhere its number is all that is known."""
        return cls(
            frozenset(f"{thread.name} ({thread.ident})" for thread in threading.enumerate()),
            frozenset(_descriptors()),
            frozenset(_children()),
            frozenset(str(path) for path in Path(tempfile.gettempdir()).rglob("*")),
        )

    def left_over(self) -> list[str]:
        """Say what is there beyond this. A thread that is about to end is given a second."""
        ends = time.monotonic() + SETTLE
        while True:
            left = self._beyond(Residue.now())
            if not left or time.monotonic() > ends:
                return left
            threading.Event().wait(0.01)  # nothing tells that a foreign thread has ended

    def _beyond(self, later: Residue) -> list[str]:
        kinds = {
            "thread": later.threads - self.threads,
            "file descriptor": later.descriptors - self.descriptors,
            "process": later.children - self.children,
            "temp file": later.files - self.files,
        }
        return [f"{kind} {name}" for kind, names in kinds.items() for name in sorted(names)]


def _descriptors() -> list[str]:
    place = Path("/proc/self/fd") if Path("/proc/self/fd").exists() else Path("/dev/fd")
    found = []
    for number in os.listdir(place):  # noqa: PTH208 - Path.iterdir keeps a descriptor of its own open meanwhile
        try:
            found.append(f"{number} -> {(place / number).readlink()}" if place.parts[1] == "proc" else number)
        except OSError:
            pass  # the one that listed the others
    return found


def _children() -> list[str]:
    found: list[str] = []
    for listing in Path("/proc/self/task").glob("*/children"):
        try:
            found += listing.read_text().split()
        except OSError:
            pass  # a thread that has just ended
    return found
