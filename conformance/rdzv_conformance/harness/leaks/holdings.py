"""What a process holds: threads, file descriptors, children, temp files; and what came on top of it."""

from __future__ import annotations

import gc
import os
import re
import stat
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

SETTLE = 1.0
"""Seconds that a thread or a connection is given to end after its instance was closed."""
LOOK_EVERY = 0.01
COLLECT_AFTER = 0.2
DESCRIPTORS = "/dev/fd"
"""The directory of this process's descriptors, on Linux and on macOS."""
_KINDS = {stat.S_IFSOCK: "socket", stat.S_IFIFO: "pipe", stat.S_IFREG: "file", stat.S_IFCHR: "device"}
_NUMBER = re.compile(r"[0-9]+")
OWN = "rdzv-conformance-"
"""How the names of the suite's own threads begin: one that hangs in a call of the backend is reported as that call."""


@dataclass(frozen=True)
class Holdings:
    """What this process holds, each named so that a person can tell what it is."""

    threads: frozenset[str]
    descriptors: frozenset[str]
    children: frozenset[str]
    files: frozenset[str]

    @classmethod
    def now(cls) -> Holdings:
        """Look at this process.

        Temp files are those below `tempfile.gettempdir()`: to count them, point it at an otherwise unused directory.
        """
        return cls(
            frozenset(f"{each.name} ({each.ident})" for each in threading.enumerate() if not each.name.startswith(OWN)),
            frozenset(_descriptors()),
            frozenset(_children()),
            frozenset(_files(tempfile.gettempdir())),
        )

    def left_over(self, settle: float = SETTLE) -> list[str]:
        """Return what is there beyond this; what is about to end is given at most `settle` seconds to do so."""
        began = time.monotonic()
        collected = False
        while True:
            waited = time.monotonic() - began
            left = self._beyond(Holdings.now())
            if not left or (collected and waited >= settle):
                return left
            if not collected and waited >= min(COLLECT_AFTER, settle):
                gc.collect()  # what a cycle alone still holds is on its way out
                collected = True
            threading.Event().wait(LOOK_EVERY)  # nothing tells that a foreign thread has ended

    def _beyond(self, later: Holdings) -> list[str]:
        pairs = {
            "thread": (self.threads, later.threads),
            "file descriptor": (self.descriptors, later.descriptors),
            "process": (self.children, later.children),
            "temp file": (self.files, later.files),
        }
        return [text for what, pair in pairs.items() for text in _more(what, *pair)]


def kind_of(text: str) -> str:
    """Return what two of a kind have in common: no numbers, nothing that was drawn at random."""
    return "temp file" if text.startswith("temp file ") else _NUMBER.sub("#", text)


def _more(what: str, before: frozenset[str], now: frozenset[str]) -> list[str]:
    """Return what is there now and was not, as many of each kind as there are more.

    What was replaced by another of its kind is not left: a connection that was reopened, a server that was restarted.
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


def _descriptors() -> Iterator[str]:
    paths = {each.fd: each.path for each in psutil.Process().open_files()}
    for text in os.listdir(DESCRIPTORS):  # noqa: PTH208 - Path.iterdir keeps a descriptor of its own open meanwhile
        number = int(text)
        try:
            about = os.fstat(number)
        except OSError:
            continue  # the one that listed the others
        kind = _KINDS.get(stat.S_IFMT(about.st_mode), "other")
        yield f"{number} -> {paths.get(number) or f'{kind}:[{about.st_ino}]'}"


def _children() -> list[str]:
    return [str(child.pid) for child in psutil.Process().children()] if _may_have_children() else []


def _may_have_children() -> bool:
    """Return False if there is surely none: psutil looks at every process of the machine."""
    if not hasattr(os, "waitid"):
        return True
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # which reaps nothing
    except ChildProcessError:
        return False
    return True
