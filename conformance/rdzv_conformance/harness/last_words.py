"""What a process that has died said last: of a crash of the interpreter which one it was, and in whose code."""

from __future__ import annotations

import os
import re
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path

KEPT_LINES = 2000
"""Lines of its stderr that are kept: the dump of a crash names every thread, and its first line says what it was."""

_FATAL = re.compile(r"Fatal Python error: .*")
_FRAME = re.compile(r'\s*File "(.*)", line (\d+) in (.*)')
_CURRENT = "Current thread "
_MOST_FRAMES = 3
_OURS = {"rdzv_core", "rdzv_conformance"}


def last_words(said: Iterable[str]) -> str:
    """Return the last line that is not empty; of a crash what it was, and the innermost frames of the author's."""
    lines = [line.strip() for line in said if line.strip()]
    fatal = next((number for number in reversed(range(len(lines))) if _FATAL.search(lines[number])), None)
    if fatal is None:
        return lines[-1] if lines else ""
    found = _FATAL.search(lines[fatal])
    assert found is not None
    frames = _frames(lines[fatal + 1 :])
    authors = [each for each in frames if _is_authors(each[0])]
    told = [f"in {name} ({file}:{number})" for file, number, name in (authors or frames)[:_MOST_FRAMES]]
    return f"{found[0]}{', ' if told else ''}{', called '.join(told)}"


def _frames(lines: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return the frames of the thread that crashed, the innermost first."""
    begin = next((number for number, line in enumerate(lines) if line.startswith(_CURRENT)), len(lines))
    found = []
    for line in lines[begin + 1 :]:
        frame = _FRAME.fullmatch(line)
        if frame is None:
            break
        found.append((frame[1], frame[2], frame[3]))
    return found


def _is_authors(file: str) -> bool:
    library = sysconfig.get_path("stdlib")
    of_python = file.startswith(library + os.sep) and "site-packages" not in Path(file).parts
    return not (of_python or file.startswith("<") or _OURS.intersection(Path(file).parts))
