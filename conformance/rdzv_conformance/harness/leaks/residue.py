"""What a process holds: threads, file descriptors, children, temp files; and what came on top of it."""

from __future__ import annotations

import gc
import os
import re
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SETTLE = 1.0
"""Seconds that a thread or a connection is given to end after its instance was closed."""
LOOK_EVERY = 0.01
COLLECT_AFTER = 0.2
_NUMBER = re.compile(r"[0-9]+")
OWN = "rdzv-conformance-"
"""How the names of the suite's own threads begin: one that hangs in a call of the backend is told as that call."""


@dataclass(frozen=True)
class Residue:
    """What this process holds, each named so that a person can tell what it is."""

    threads: frozenset[str]
    descriptors: frozenset[str]
    children: frozenset[str]
    files: frozenset[str]

    @classmethod
    def now(cls) -> Residue:
        """Look. Linux tells what a descriptor is; elsewhere its number is all that is known.

        Temp files are those below `tempfile.gettempdir()`: somebody who counts them makes that a directory of his own.
        """
        return cls(
            frozenset(f"{each.name} ({each.ident})" for each in threading.enumerate() if not each.name.startswith(OWN)),
            frozenset(_descriptors()),
            frozenset(_children()),
            frozenset(_files(tempfile.gettempdir())),
        )

    def left_over(self, settle: float = SETTLE) -> list[str]:
        """Say what is there beyond this; what is about to end is awaited for at most `settle` seconds."""
        began = time.monotonic()
        collected = False
        while True:
            waited = time.monotonic() - began
            left = self._beyond(Residue.now())
            if not left or (collected and waited >= settle):
                return left
            if not collected and waited >= min(COLLECT_AFTER, settle):
                gc.collect()  # what a cycle alone still holds is on its way out
                collected = True
            threading.Event().wait(LOOK_EVERY)  # nothing tells that a foreign thread has ended

    def _beyond(self, later: Residue) -> list[str]:
        pairs = {
            "thread": (self.threads, later.threads),
            "file descriptor": (self.descriptors, later.descriptors),
            "process": (self.children, later.children),
            "temp file": (self.files, later.files),
        }
        return [text for what, pair in pairs.items() for text in _more(what, *pair)]


def kind_of(text: str) -> str:
    """Name what is the same of two that are alike: neither numbers nor what was drawn at random."""
    return "temp file" if text.startswith("temp file ") else _NUMBER.sub("#", text)


def _more(what: str, before: frozenset[str], now: frozenset[str]) -> list[str]:
    """Name what is there now and was not, as many of each kind as there are more.

    What was replaced by its like is not left: a connection that was made anew, a server that was started again.
    """
    new = sorted(f"{what} {name}" for name in now - before)
    replaced = Counter(kind_of(f"{what} {name}") for name in before - now)
    left = []
    for text in new:
        if replaced[kind_of(text)] > 0:
            replaced[kind_of(text)] -= 1
        else:
            left.append(text)
    return left


def _files(directory: str) -> Iterator[str]:
    for place, directories, files in os.walk(directory):  # which takes no notice of what goes meanwhile
        yield from (f"{place}/{name}" for name in (*directories, *files))


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
