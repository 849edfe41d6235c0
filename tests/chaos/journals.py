"""What the workers recorded, and what it proves. Reads files; needs no process and no store."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

Group = tuple[str, int]
"""An epoch and a round."""


@dataclass(frozen=True)
class Work:
    """One run of a worker, from its first to its last beat (seconds on the machine's monotonic clock).

    It is `done` if its work was completed, which only some workers do.
    """

    group: Group
    rank: int
    size: int
    node: str
    begin: float
    end: float
    done: bool = False

    def __str__(self) -> str:
        return f"{self.node}, rank {self.rank} of {self.size} in round {self.group[1]} of epoch {self.group[0]}"


@dataclass(frozen=True)
class Overlap:
    """Two groups at work at once, which must never happen."""

    one: Work
    other: Work

    @property
    def seconds(self) -> float:
        """How long both worked."""
        return min(self.one.end, self.other.end) - max(self.one.begin, self.other.begin)

    def __str__(self) -> str:
        return f"{self.seconds:.3f} s: {self.one} beside {self.other}"


def read(path: Path) -> Work | None:
    """Read a journal; None if the worker was killed before its first beat."""
    lines = path.read_bytes().split(b"\n")[:-1]
    if len(lines) < 2:
        return None
    done = lines[-1] == b"done"
    return _work(lines[0], float(lines[1]), float(lines[-2 if done else -1]), done)


def read_all(directory: Path) -> list[Work]:
    """Read every journal; return the works in the order in which they began."""
    found = (read(path) for path in directory.iterdir())
    return sorted((work for work in found if work is not None), key=lambda work: work.begin)


def at_work(directory: Path, within: float = 0.5) -> list[Work]:
    """Return the works with a beat during the last `within` seconds."""
    now = time.time()
    recent = [entry.path for entry in os.scandir(directory) if now - entry.stat().st_mtime < within]
    return [work for path in recent if (work := read(Path(path))) is not None]


def whole_group(working: Iterable[Work], size: int) -> bool:
    """Whether `size` workers are one group, with the ranks 0 to size - 1."""
    working = list(working)
    same = {(work.group, work.size) for work in working}
    return len(same) == 1 and same.pop()[1] == size and sorted(work.rank for work in working) == list(range(size))


def overlaps(works: list[Work]) -> Iterator[Overlap]:
    """Find groups that worked at once; `works` are in the order in which they began."""
    open_works: list[Work] = []
    for work in works:
        open_works = [other for other in open_works if other.end > work.begin]
        yield from (Overlap(other, work) for other in open_works if other.group != work.group)
        open_works.append(work)


def odd_ranks(works: list[Work]) -> Iterator[str]:
    """Find rounds whose members disagree on the size, share a rank, or have a rank beyond the size."""
    groups: dict[Group, list[Work]] = defaultdict(list)
    for work in works:
        groups[work.group].append(work)
    for (epoch, number), members in groups.items():
        ranks = sorted(work.rank for work in members)
        sizes = {work.size for work in members}
        if len(sizes) > 1 or len(set(ranks)) < len(ranks) or ranks[-1] >= max(sizes):
            yield f"round {number} of epoch {epoch}: ranks {ranks}, sizes {sorted(sizes)}"


Window = tuple[float, float]
"""The time in which a fault may still have an effect, from when to when."""


def stopped_unasked(works: Iterable[Work], begin: float, over: float, windows: Iterable[Window]) -> list[Work]:
    """Find runs of a worker that ended between `begin` and `over`, and in none of the `windows`."""
    windows = list(windows)
    ended = [work for work in works if begin < work.end < over and not work.done]
    return [work for work in ended if not any(first <= work.end <= last for first, last in windows)]


def undisturbed(begin: float, over: float, windows: Iterable[Window]) -> float:
    """Return the seconds between `begin` and `over` that are in none of the `windows`."""
    free, at = 0.0, begin
    for first, last in sorted(windows):
        free += max(0.0, min(first, over) - at)
        at = max(at, last)
    return free + max(0.0, over - at)


def longest_pause(works: list[Work]) -> float:
    """Return the longest time without work, in seconds; `works` are in the order in which they began."""
    longest, last_end = 0.0, works[0].begin if works else 0.0
    for work in works:
        longest = max(longest, work.begin - last_end)
        last_end = max(last_end, work.end)
    return longest


def _work(header: bytes, begin: float, end: float, done: bool) -> Work:
    epoch, number, rank, size, node = header.decode().split()
    return Work((epoch, int(number)), int(rank), int(size), node, begin, end, done)
