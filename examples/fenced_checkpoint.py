"""A checkpoint writer that refuses a stale fence: what keeps a thawed process from overwriting its successors' work.

The fence of a round is larger than that of every earlier round of the same epoch. The store of checkpoints keeps the
largest fence it has seen, and refuses writes with a smaller one.
"""

from __future__ import annotations

import fcntl
import json
from pathlib import Path


class StaleFenceError(RuntimeError):
    """A later round has already written: this process is no longer part of the job."""


def read_checkpoint(path: Path) -> bytes | None:
    """Return what the last write left, whole; None if there was none."""
    return path.read_bytes() if path.exists() else None


def write_checkpoint(path: Path, epoch: str, fence: int, data: bytes) -> None:
    """Write `data` to `path`, or raise `StaleFenceError` if a later round of `epoch` has written.

    Safe between processes of one machine. A new epoch (after `rdzv reset`, or when a store has lost the run) counts
    fences from 1 again. Only the job can know which of two epochs is newer: to begin a new one, remove `.fence`.
    """
    guard = path.with_suffix(".fence")
    with guard.open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.seek(0)
        seen = json.loads(held.read() or "{}")
        if seen.get("epoch", epoch) != epoch or fence < seen.get("fence", 0):
            raise StaleFenceError(f"{path}: fence {fence} of epoch {epoch} is refused: the last write was from {seen}")
        fresh = path.with_suffix(".new")
        fresh.write_bytes(data)
        fresh.replace(path)
        held.truncate(0)
        held.write(json.dumps({"epoch": epoch, "fence": fence}))
