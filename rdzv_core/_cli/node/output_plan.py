"""What is to be done with the output of a node's workers, and where its files are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

STDOUT, STDERR = 1, 2
NAMES = {STDOUT: "stdout", STDERR: "stderr"}
BOTH = STDOUT | STDERR

_LONGEST_NAME = 100


@dataclass(frozen=True)
class Selection:
    """Some of the streams of some workers: `everywhere`, but for the local ranks that `of` names. Bits as in STDOUT."""

    everywhere: int = 0
    of: Mapping[int, int] = field(default_factory=dict)

    def has(self, place: int, stream: int) -> bool:
        """Return whether the stream of the worker with this local rank is selected."""
        return bool(self.of.get(place, self.everywhere) & stream)

    def __bool__(self) -> bool:
        return bool(self.everywhere or any(self.of.values()))


@dataclass(frozen=True)
class OutputPlan:
    """What is to be done with the output of all rounds.

    Streams that are in `tee` go to files and to the console, those in `redirect` alone only to files. `prefix` puts
    `[rank 3] ` before each line on the console; None: if this node has several workers, and where it is a terminal.
    """

    log_dir: Path | None = None
    redirect: Selection = Selection()
    tee: Selection = Selection()
    prefix: bool | None = None

    def folder(self, run_id: str, epoch: str, number: int) -> Path | None:
        """Return where the files of a round are: each run and epoch has its own, shared by all nodes."""
        if self.log_dir is None:
            return None
        name = quote(run_id, safe=" ")[:_LONGEST_NAME].strip(". ") or "run"
        return self.log_dir / f"{name}-{epoch[:8]}" / f"round-{number}"
