"""An elastic job for the recipes, in the standard library: it counts, and goes on from its last checkpoint.

Rank 0 counts and writes the checkpoints; a job of yours would share the work out by RANK and WORLD_SIZE. All end when
the last step is done. On SIGUSR1, by which Slurm says that the time is nearly up, rank 0 writes a checkpoint at once.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from fenced_checkpoint import write_checkpoint


def load(path: Path) -> int:
    """Return the step of the last checkpoint; 0 where there is none."""
    return int(json.loads(path.read_text())["step"]) if path.exists() else 0


def save(path: Path, step: int) -> None:
    """Write a checkpoint; raises `StaleFenceError`, and writes nothing, if a later round has written already."""
    write_checkpoint(path, os.environ["RDZV_EPOCH"], int(os.environ["RDZV_FENCE"]), json.dumps({"step": step}).encode())


def count(path: Path, given: argparse.Namespace, warned: list[int]) -> None:
    """Do what rank 0 does."""
    for step in range(load(path) + 1, given.steps + 1):
        time.sleep(given.pause)
        if warned or step % given.every == 0 or step == given.steps:
            save(path, step)
        if warned:
            print(f"told that the time is nearly up: saved step {step}", flush=True)
            warned.clear()


def follow(path: Path, given: argparse.Namespace) -> None:
    """Do what the others do: nothing, until all is done."""
    while load(path) < given.steps:
        time.sleep(given.pause)


def main() -> None:
    """Count, or wait for it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoints", type=Path, required=True, help="a directory that all nodes share")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--every", type=int, default=10, help="steps between two checkpoints")
    parser.add_argument("--pause", type=float, default=0.1, help="seconds that a step takes")
    given = parser.parse_args()
    warned: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, _frame: warned.append(number))
    path = given.checkpoints / f"{os.environ['RDZV_RUN_ID']}.json"
    print(f"rank {os.environ['RANK']} of {os.environ['WORLD_SIZE']} goes on from step {load(path)}", flush=True)
    if os.environ["RANK"] == "0":
        count(path, given, warned)
    else:
        follow(path, given)


if __name__ == "__main__":
    main()
