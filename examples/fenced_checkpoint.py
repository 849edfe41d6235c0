"""A checkpoint writer that refuses a stale fence: what keeps a thawed process from overwriting its successors' work.

The fence of a round is larger than that of every round before it in the same epoch. The store of the checkpoints keeps
the largest it has seen, and takes nothing from who comes with a smaller one.
"""

from __future__ import annotations

import fcntl
import json
from pathlib import Path


class StaleFenceError(RuntimeError):
    """A later round has written already: this process is no longer part of the job."""


def write_checkpoint(path: Path, epoch: str, fence: int, data: bytes) -> None:
    """Write `data` to `path` unless a later round of `epoch` has; raises `StaleFenceError` and writes nothing then.

    Safe between processes of one machine. An epoch (`rdzv reset` starts one, and so does a store that lost the run)
    counts fences of its own, and which of two is newer only the job can say: remove the `.fence` file to start one.
    """
    guard = path.with_suffix(".fence")
    with guard.open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.seek(0)
        seen = json.loads(held.read() or "{}")
        if seen.get("epoch", epoch) != epoch or fence < seen.get("fence", 0):
            raise StaleFenceError(f"{path}: fence {fence} of epoch {epoch} is refused, {seen} was here")
        fresh = path.with_suffix(".new")
        fresh.write_bytes(data)
        fresh.replace(path)
        held.truncate(0)
        held.write(json.dumps({"epoch": epoch, "fence": fence}))
