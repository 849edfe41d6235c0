"""The one reader of entry points: of every distribution on the path, whatever state its metadata is in."""

from __future__ import annotations

import importlib
import os
import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rdzv_core._backend_names import normalize

if TYPE_CHECKING:
    from importlib_metadata import Distribution, EntryPoint

_OUR_GROUPS = "rdzv_"
"""How the names of all groups of ours begin; a distribution without it in its entry points is not parsed."""

_SETTLED_AFTER = 2.0
"""Seconds after which a further change of a directory surely changes its time of modification, on any file system."""

_Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class _Provider:
    """A distribution that provides something of ours; `name` is empty where its metadata does not tell it."""

    name: str
    version: tuple[int, ...]
    points: tuple[EntryPoint, ...]


@dataclass
class _Folder:
    """What one entry of `sys.path` holds; it stands while the entry's `stamp` does."""

    stamp: _Stamp | None
    settled: bool
    providers: list[_Provider] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


class EntryPoints:
    """The entry points of the distributions on `sys.path`, kept until it or one of its directories changes.

    Of several distributions of one name the first on the path counts, as in an import, and of those in one directory
    the one of the highest version; leftovers (empty, or renamed by pip to begin with `~`) do not count at all. What
    cannot be read hides itself alone. Thread-safe.
    """

    def __init__(self) -> None:
        self._folders: dict[str, _Folder] = {}
        self._finders: list[Any] = []
        self.unlock()

    def unlock(self) -> None:
        """Begin with a new lock: in a forked child, the thread that held the old one is not there."""
        self._lock = threading.Lock()

    def of(self, group: str) -> list[EntryPoint]:
        """Return the entry points of `group`, in the order of the path."""
        found: dict[str, tuple[EntryPoint, ...]] = {}
        for folder in self._current():
            for provider in folder.providers:
                found.setdefault(provider.name or f"unknown {id(provider)}", provider.points)
        return [point for points in found.values() for point in points if point.group == group]

    def unreadable(self) -> list[str]:
        """Return what was left out, each with the reason."""
        return [reason for folder in self._current() for reason in folder.unreadable]

    def _current(self) -> list[_Folder]:
        import importlib_metadata  # noqa: F401 - puts its finder on sys.meta_path

        with self._lock:
            finders = [finder for finder in list(sys.meta_path) if hasattr(finder, "find_distributions")]
            if finders != self._finders:
                self._finders, self._folders = finders, {}
            entries = dict.fromkeys(entry for entry in list(sys.path) if isinstance(entry, str))
            self._folders = {entry: self._folder(entry) for entry in entries}
            return list(self._folders.values())

    def _folder(self, entry: str) -> _Folder:
        known, stamp = self._folders.get(entry), _stamp(entry)
        if known is not None and known.settled and known.stamp == stamp:
            return known
        if known is not None:
            importlib.invalidate_caches()  # the finders', and those of what is imported from there next
        folder = _Folder(stamp, stamp is None or abs(time.time() - stamp[2] / 1e9) > _SETTLED_AFTER)
        for distribution in _distributions(entry, self._finders, folder.unreadable):
            try:
                folder.providers += _providers(distribution)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with it: this one is left out
                folder.unreadable.append(f"{_place(distribution)} ({type(error).__name__}: {error})")
        folder.providers.sort(key=lambda provider: provider.version, reverse=True)
        return folder


_of_this_process = EntryPoints()
os.register_at_fork(after_in_child=_of_this_process.unlock)


def entry_points(group: str) -> list[EntryPoint]:
    """Return the installed entry points of a group of rdzv's, whose name begins with `rdzv_`; raises nothing.

    Distributions are scanned once, and again where `sys.path` or a directory on it has changed. Nothing is imported.
    """
    return _of_this_process.of(group)


def unreadable() -> list[str]:
    """Return which distributions' entry points cannot be read, each with the reason."""
    return _of_this_process.unreadable()


def _stamp(entry: str) -> _Stamp | None:
    try:
        found = os.stat(entry or ".")  # noqa: PTH116 - cheaper, and an entry may be no path at all
    except (OSError, ValueError):  # ValueError: it holds a NUL
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _distributions(entry: str, finders: Iterable[Any], unreadable: list[str]) -> Iterator[Distribution]:
    import importlib_metadata

    for finder in finders:
        context = importlib_metadata.DistributionFinder.Context(path=[entry])  # type: ignore[no-untyped-call]
        try:
            yield from finder.find_distributions(context)
        except Exception as error:  # noqa: BLE001 - another's finder, or a directory that is not to be listed
            unreadable.append(f"{entry} ({type(error).__name__}: {error})")


def _providers(distribution: Distribution) -> list[_Provider]:
    text = distribution.read_text("entry_points.txt")
    if not text or _OUR_GROUPS not in text or _is_leftover(distribution):
        return []
    points = tuple(point for point in distribution.entry_points if point.group.startswith(_OUR_GROUPS))
    told = headers(distribution)
    return [_Provider(normalize(told.get("name", "")), _sortable(told.get("version", "")), points)] if points else []


def _is_leftover(distribution: Distribution) -> bool:
    """Whether it is what an interrupted pip left behind: renamed, or without its metadata."""
    renamed = os.path.basename(_place(distribution)).startswith("~")  # noqa: PTH119 - may lie within a zip
    return renamed or not headers(distribution)


def _place(distribution: Distribution) -> str:
    # The only place where it is kept; another finder's distributions need not have it.
    return str(getattr(distribution, "_path", distribution)).rstrip("/")


def headers(distribution: Distribution) -> dict[str, str]:
    """Return a distribution's metadata by lower-case name, without its description; empty where there is none.

    Not `Distribution.metadata`: that parses the whole README, and what it does without a name differs by version.
    """
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    lines = text.lstrip("\n").partition("\n\n")[0].splitlines()
    pairs = [line.partition(":") for line in lines if not line[:1].isspace()]
    return {name.lower(): value.strip() for name, colon, value in reversed(pairs) if colon}


def _sortable(version: str) -> tuple[int, ...]:
    """Return the numbers of a version's release; enough to tell which of two in one directory is the older."""
    release = re.match(r"\s*v?(?:\d+!)?(\d+(?:\.\d+)*)", version)
    return tuple(map(int, release[1].split("."))) if release else ()
