"""Which files this process opens to write, and what is in those that others may read."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

FOR_OTHERS = stat.S_IRGRP | stat.S_IROTH
MOST = 1024 * 1024
"""Bytes that are read of a file: what is at its end is not looked for in a store's data."""

_opened: list[set[str]] = []


@contextmanager
def files_written() -> Iterator[set[str]]:
    """Give the set of paths that are opened to write meanwhile, in any thread; it grows."""
    _install()
    paths: set[str] = set()
    _opened.append(paths)
    try:
        yield paths
    finally:
        _opened[:] = [each for each in _opened if each is not paths]


def read_by_others(paths: set[str]) -> dict[str, str]:
    """Return what is in those files that are there and that others than their owner may read, by their names."""
    found = {}
    for path in map(Path, sorted(paths)):
        try:
            mode = path.stat().st_mode
            if stat.S_ISREG(mode) and mode & FOR_OTHERS and path.parent.name != "__pycache__":
                with path.open("rb") as file:
                    found[path.name] = file.read(MOST).decode("utf-8", "replace")
        except (OSError, ValueError):
            pass  # it is gone, or was never there
    return found


@cache
def _install() -> None:
    sys.addaudithook(_heard)  # there is no way to take one away: it does nothing where nobody listens


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if not _opened or event != "open":
        return
    path, _, flags = arguments
    if isinstance(path, (str, bytes)) and isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR):
        for paths in [*_opened]:
            paths.add(os.fsdecode(path))
